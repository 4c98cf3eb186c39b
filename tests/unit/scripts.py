"""Sentences in many scripts: the first article of the Universal Declaration of Human Rights."""

SPACED = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with "
    "reason and conscience, and should act towards one another in a spirit of brotherhood.",
    "fr": "Tous les êtres humains naissent libres ; ils"
    " sont doués de « raison » et de conscience !",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft "
    "und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "es": "¿Nacen todos los seres humanos libres e iguales? ¡Sí! Dotados como están de razón...",
    "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах — все.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα;",
    "hy": "Բոլոր մարդիկ ծնվում են ազատ ու հավասար՝ իրենց արժանապատվությամբ ու իրավունքներով։",
    "ka": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق، وقد وهبوا عقلا و WiFi 7 وضميرا؟",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. (כולם חוננו בתבונה 100%)",
    "fa": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "ta": "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும் சமமானவர்கள்.",
    "am": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው። የተፈጥሮ ማስተዋልና ሕሊና ስላለው።",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있"
    "어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았다.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
}
UNSPACED = {
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心"
    "，并应以“兄弟关系”的精神相对待。（2024年，100％）",
    "yue": "人人生出嚟就係自由嘅，喺尊嚴同權利上一律平等。佢哋"
    "具有理性同良心，而且應該用兄弟間嘅關係嚟互相對待。",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳"
    "と権利とについて平等である。「コンピュータ」ッて、ナニ？",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม",
    "lo": "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ, ສິດທິ, ເສລີພາບ ແລະ ຄວາມສະເໝີພາບເທົ່າທຽມກັນ.",
    "my": "လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် လည်းကောင်း၊ တူညီလွတ်လပ်သော အခွင့်အရေးများဖြင့် မွေးဖွားလာသူများဖြစ်သည်။",
    "km": "មនុស្សទាំងអស់កើតមកមានសេរីភាព និងភាពស្មើៗគ្នា ក្នុងសេចក្តីថ្លៃថ្នូរ និងសិទ្ធិ។",
}
TEXTS = SPACED | UNSPACED
