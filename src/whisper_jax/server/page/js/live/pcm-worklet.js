// Runs on the audio thread: hands on the samples of its input as 16-bit blocks.

const BLOCK_MS = 100;
const MAX_RATE = 48000; // what the server takes

class PcmSender extends AudioWorkletProcessor {
  constructor() {
    super();
    // Devices for music give twice or four times as many samples: their means are sent.
    this.step = Math.ceil(sampleRate / MAX_RATE);
    this.blockLength = Math.round(((sampleRate / this.step) * BLOCK_MS) / 1000);
    this.block = new Int16Array(this.blockLength);
    this.n_filled = 0;
    this.sum = 0;
    this.n_summed = 0;
  }

  process([input], [output]) {
    const samples = input[0];
    // Without a microphone time goes on in silence, as it does in the recording.
    const n = samples?.length ?? output[0].length;
    for (let i = 0; i < n; i += 1) this.take(samples ? samples[i] : 0);
    return true;
  }

  take(sample) {
    this.sum += sample;
    this.n_summed += 1;
    if (this.n_summed < this.step) return;
    const mean = Math.max(-1, Math.min(1, this.sum / this.step));
    this.sum = 0;
    this.n_summed = 0;
    this.block[this.n_filled] = Math.round(mean * 32767);
    this.n_filled += 1;
    if (this.n_filled < this.blockLength) return;
    this.port.postMessage(this.block, [this.block.buffer]);
    this.block = new Int16Array(this.blockLength);
    this.n_filled = 0;
  }
}

registerProcessor("pcm-sender", PcmSender);
