/* language_words - words that tell a language where a text has only a few: greetings, and the usual small ones.
 * SPDX-License-Identifier: MIT
 *
 * Written for this project, by hand. A word may tell of several languages; small words that many of them have ("de",
 * "a") are left to the trigrams. */
#include "language.h"

const struct language_words language_words[] = {
    {"en",
     "hello hi hey thanks thank please good morning evening the what is are how why who where when "
     "you your my this that with and not can yes it write tell give make does"},
    {"de", "hallo guten morgen tag abend danke bitte ich du sie wir nicht und der die das ist wie "
           "was wer wo "
           "warum wann ein eine mit für auf kann geht mein dein schreibe"},
    {"fr", "bonjour bonsoir salut merci je tu il nous vous ne pas est où les des une qui quoi "
           "pourquoi quand "
           "comment avec pour mon dans sais peux"},
    {"es", "hola buenos buenas días tardes gracias por favor yo tú qué quién dónde cuándo cómo "
           "cuál está estoy "
           "el los las una con para mi necesito muchas puedo eres"},
    {"it", "ciao buongiorno buonasera grazie mille prego io che chi dove quando perché come il gli "
           "una sono "
           "non della con per mio posso trova"},
    {"pt", "olá oi bom boa dia tarde noite obrigado obrigada eu você não onde quando quem como "
           "está uma com "
           "para meu minha posso fica pela"},
    {"nl", "hallo goedemorgen goedendag bedankt dank alsjeblieft ik jij je niet het een en wat wie "
           "waar waarom "
           "wanneer hoe met voor mijn kan is weet"},
    {"sv", "hej god morgon tack jag du inte och det är vad vem var varför när hur en ett med för "
           "min kan vet "
           "ligger mig"},
    {"da", "hej god morgen tak jeg du ikke og det er hvad hvem hvor hvorfor hvornår hvordan en et "
           "med for min "
           "kan ved måske ligger af"},
    {"nb", "hei god morgen takk jeg du ikke og det er hva hvem hvor hvorfor når hvordan en et med "
           "for min kan "
           "vet kanskje ligger av"},
    {"fi", "hei moi huomenta kiitos minä sinä en ei ja on mikä kuka missä miksi milloin miten "
           "kanssa minun "
           "voi tiedä"},
    {"pl",
     "cześć dzień dobry dziękuję proszę ja ty nie jest i co kto gdzie dlaczego kiedy jak z dla mój "
     "mogę wiem"},
    {"cs",
     "ahoj dobrý den děkuji prosím já ty ne je a co kdo kde proč kdy jak s pro můj mohu nevím"},
    {"ro",
     "bună salut ziua mulțumesc eu tu nu este și ce cine unde de când cum cu pentru meu pot știu"},
    {"hu",
     "szia jó napot köszönöm kérem én te nem van és mi ki hol miért mikor hogyan az egy tudom"},
    {"tr", "merhaba günaydın teşekkürler lütfen ben sen değil ve ne kim nerede neden nasıl bir "
           "için ile benim "
           "bilmiyorum"},
    {"vi", "xin chào cảm ơn tôi bạn không là và gì ai đâu sao khi nào như thế với cho của ở"},
    {"id", "halo selamat pagi terima kasih saya kamu tidak adalah dan apa siapa mana kenapa kapan "
           "bagaimana "
           "dengan untuk di yang tahu"},
    {"ru", "привет здравствуйте спасибо пожалуйста я ты мы не это и что кто где почему когда как с "
           "для мой "
           "могу знаю"},
    {"uk", "привіт дякую будь ласка я ти ми не це і що хто де чому коли як з для мій можу знаю є"},
    {"bg", "здравей здравейте благодаря моля аз ти не е това и какво кой къде защо кога как със за "
           "мой мога "
           "знам"},
    {"ar", "مرحبا شكرا من فضلك أنا أنت لا هذا ما من أين لماذا متى كيف مع في على"},
    {"fa", "سلام ممنون لطفا من تو نه است این چه کی کجا کجاست چرا چطور با برای را"},
    {"ur", "شکریہ میں آپ نہیں ہے یہ کیا کون کہاں کیوں کب کیسے کے کی کا"},
    {NULL, NULL},
};
