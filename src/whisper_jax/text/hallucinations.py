"""What Whisper models are known to write where nobody speaks: the ends of subtitles they learnt.

The phrases are those that are reported most often: openai/whisper's discussions 928 (credits of
subtitles), 1873, 2412 and 2608; the data set ``sachaarbonel/whisper-hallucinations`` (what Whisper
writes of noise); Barański et al., "Investigation of Whisper ASR Hallucinations Induced by
Non-Speech Audio" (arXiv:2501.11378). All of them are also said by people, so a text is never taken
for made up because it is among them (`whisper_jax.programs.guards`).

They are held against texts in every language: a model that hears noise often writes another one.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

CLOSING_PHRASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ar": ("ترجمة نانسي قنقر", "اشتركوا في القناة", "شكرا على المشاهدة"),
        "da": ("Danske tekster af Jesper Buhl", "Scandinavian Text Service", "Tak fordi du så med"),
        "de": (
            "Untertitel im Auftrag des ZDF",
            "Untertitel im Auftrag des ZDF für funk",
            "Untertitelung im Auftrag des ZDF",
            "Untertitelung im Auftrag des ZDF für funk",
            "Untertitelung des ZDF",
            "Untertitelung des ZDF für funk",
            "Untertitel von Stephanie Geiges",
            "Copyright WDR",
            "SWR",
            "Vielen Dank fürs Zuschauen",
            "Danke fürs Zuschauen",
            "Bis zum nächsten Mal",
        ),
        "el": ("Υπότιτλοι AUTHORWAVE", "Ευχαριστώ που παρακολουθήσατε"),
        "en": (
            "Thank you for watching",
            "Thank you for watching this video",
            "Thank you so much for watching",
            "Thank you very much for watching",
            "Thanks for watching",
            "Thanks for watching this video",
            "Thank you for listening",
            "Thanks for listening",
            "See you next time",
            "See you in the next video",
            "I'll see you in the next video",
            "I'll see you next time",
            "Please subscribe",
            "Please subscribe to my channel",
            "Please like and subscribe",
            "Don't forget to like and subscribe",
            "Don't forget to subscribe",
            "Subtitles by SteamTeamExtra",
            "Transcript Emily Beynon",
            "www.mooji.org",
        ),
        "es": (
            "Gracias por ver el vídeo",
            "Gracias por ver el video",
            "Gracias por ver",
            "Suscríbete al canal",
            "Más información www.alimmenta.com",
        ),
        "fr": (
            "Sous-titrage ST' 501",
            "Sous-titrage Société Radio-Canada",
            "❤️ par SousTitreur.com",
            "Merci d'avoir regardé cette vidéo",
            "Merci d'avoir regardé la vidéo",
            "Merci d'avoir regardé",
        ),
        "id": ("Terima kasih telah menonton", "Terima kasih kerana menonton"),
        "it": (
            "Sottotitoli a cura di QTSS",
            "Sottotitoli e revisione a cura di QTSS",
            "Grazie per la visione",
            "Grazie per aver guardato il video",
        ),
        "ja": (
            "ご視聴ありがとうございました",
            "ご視聴ありがとうございます",
            "最後までご視聴いただきありがとうございました",
            "チャンネル登録をお願いします",
            "チャンネル登録よろしくお願いします",
            "見てくれてありがとう",
        ),
        "ko": (
            "시청해 주셔서 감사합니다",
            "구독과 좋아요 부탁드립니다",
            "다음 영상에서 만나요",
            "MBC 뉴스 이덕영입니다",
            "MBC 뉴스 김성현입니다",
        ),
        "nl": ("Bedankt voor het kijken", "TV Gelderland"),
        "no": ("Tekstet av Nicolai Winther", "Undertekster av Ai-Media", "Takk for at du så på"),
        "pl": ("Dziękuję za oglądanie", "Dziękuję za uwagę", "www.multi-moto.eu"),
        "pt": ("Obrigado por assistir", "Obrigada por assistir", "Inscreva-se no canal"),
        "ro": ("Vă mulțumim pentru vizionare", "Mulțumesc pentru vizionare"),
        "ru": (
            "Продолжение следует",
            "Субтитры сделал DimaTorzok",
            "Субтитры создавал DimaTorzok",
            "Субтитры подогнал «Симон»",
            "Редактор субтитров А.Синецкая Корректор А.Егорова",
            "Редактор субтитров А.Семкин Корректор А.Егорова",
            "Спасибо за просмотр",
            "Спасибо за внимание",
            "Подписывайтесь на канал",
        ),
        "sv": ("Tack för att du tittade", "Textning Stina Hedin www.btistudios.com"),
        "tr": (
            "Altyazı M.K.",
            "İzlediğiniz için teşekkürler",
            "İzlediğiniz için teşekkür ederim",
            "Abone olmayı unutmayın",
            "Yorumlarınızıza abone olmayı unutmayın",
        ),
        "uk": ("Дякую за перегляд",),
        "vi": (
            "Hãy subscribe cho kênh Ghiền Mì Gõ Để không bỏ lỡ những video hấp dẫn",
            "Cảm ơn các bạn đã theo dõi",
        ),
        "zh": (
            "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
            "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
            "谢谢观看",
            "謝謝觀看",
            "谢谢大家观看",
            "感谢观看",
            "感謝觀看",
        ),
    }
)
"""By the code of their language. Seldom said but at the end of a film."""

EVERYDAY_PHRASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "de": ("Vielen Dank", "Tschüss"),
        "en": ("Thank you", "Thank you very much", "Thanks", "You", "Bye", "Bye bye"),
        "es": ("Gracias", "Adiós"),
        "fr": ("Merci", "Au revoir"),
        "it": ("Grazie", "Ciao"),
        "ja": ("ありがとうございました", "おやすみなさい"),
        "ko": ("감사합니다",),
        "nl": ("Bedankt",),
        "pl": ("Dziękuję",),
        "pt": ("Obrigado", "Tchau"),
        "ru": ("Спасибо",),
        "tr": ("Teşekkürler",),
        "zh": ("谢谢", "謝謝"),
    }
)
"""Written just as often over noise, and said every day."""

_CREDITED = ("amaraorg", "dimatorzok", "soustitreurcom")
"""A text with one of these names who wrote the subtitles, however it is put."""
_LONGEST_CREDIT = 80

type Kind = Literal["closing", "everyday"]


def known_hallucination(text: str) -> Kind | None:
    """Which kind of phrase a text is, once or several times over; None if it is something else.

    Case, punctuation, spaces and a year at the end count for nothing.
    """
    letters = _letters(text)
    if _repeated("closing").fullmatch(letters):
        return "closing"
    if len(letters) <= _LONGEST_CREDIT and any(name in letters for name in _CREDITED):
        return "closing"
    return "everyday" if _repeated("everyday").fullmatch(letters) else None


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in plain if character.isalnum())


@cache  # made when it is first needed: it takes as long as the import of a library
def _repeated(kind: Kind) -> re.Pattern[str]:
    """Phrases of a kind once or several times over; everyday ones with closing ones among them."""
    tables = (CLOSING_PHRASES,) if kind == "closing" else (CLOSING_PHRASES, EVERYDAY_PHRASES)
    phrases = {_letters(phrase) for table in tables for own in table.values() for phrase in own}
    # The longest first, and without a second thought: "thank you" begins "thank you for watching".
    ordered = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(f"(?:(?:{'|'.join(ordered)})(?:(?:19|20)[0-9][0-9])?)++")
