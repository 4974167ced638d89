/* test_language - the language of texts, long and short, on any bytes, in bounded time.
 * SPDX-License-Identifier: MIT
 *
 * The sentences were written for this test; none of them is in what the trigrams were counted in. */
#include "language.h"

#include "testhelp.h"

#include <time.h>

static struct language_table table;

/* A sentence each that no language may get wrong. */
static const char *const sentences[][2] = {
    {"en", "The meeting was moved to Friday because the manager is ill."},
    {"de", "Die Besprechung wurde auf Freitag verschoben, weil der Leiter krank ist."},
    {"fr", "La réunion a été reportée à vendredi parce que le directeur est malade."},
    {"es", "La reunión se aplazó al viernes porque el jefe está enfermo."},
    {"it", "La riunione è stata spostata a venerdì perché il capo è malato."},
    {"pt", "A reunião foi adiada para sexta-feira porque o chefe está doente."},
    {"nl", "De vergadering is verplaatst naar vrijdag omdat de chef ziek is."},
    {"sv", "Mötet flyttades till fredag eftersom chefen är sjuk."},
    {"da", "Mødet blev flyttet til fredag, fordi chefen er syg."},
    {"fi", "Kokous siirrettiin perjantaille, koska johtaja on sairas."},
    {"pl", "Spotkanie przeniesiono na piątek, bo kierownik jest chory."},
    {"cs", "Schůzka byla přesunuta na pátek, protože vedoucí je nemocný."},
    {"ro", "Ședința a fost mutată vineri pentru că șeful este bolnav."},
    {"hu", "Az értekezletet péntekre tették át, mert a vezető beteg."},
    {"tr", "Toplantı cumaya ertelendi çünkü müdür hasta."},
    {"vi", "Cuộc họp được dời sang thứ sáu vì giám đốc bị ốm."},
    {"id", "Rapat dipindahkan ke hari Jumat karena manajer sakit."},
    {"ru", "Встречу перенесли на пятницу, потому что начальник заболел."},
    {"uk", "Зустріч перенесли на п'ятницю, бо керівник захворів."},
    {"bg", "Срещата беше преместена за петък, защото шефът е болен."},
    {"ar", "تم تأجيل الاجتماع إلى يوم الجمعة لأن المدير مريض."},
    {"fa", "جلسه به روز جمعه موکول شد چون مدیر بیمار است."},
    {"ur", "اجلاس جمعہ تک ملتوی کر دیا گیا کیونکہ منیجر بیمار ہے۔"},
    {"zh", "因为经理生病了，会议改到星期五。"},
    {"zh", "请用Python写一个快速排序函数"},
    {"ja", "部長が病気のため、会議は金曜日に変更されました。"},
    {"ja", "東京都知事選挙結果要約を"},
    {"ko", "부장님이 아프셔서 회의가 금요일로 옮겨졌습니다."},
    {"el", "Η συνάντηση μεταφέρθηκε στην Παρασκευή."},
    {"he", "הפגישה נדחתה ליום שישי כי המנהל חולה."},
    {"hi", "बैठक शुक्रवार तक टाल दी गई क्योंकि प्रबंधक बीमार है।"},
    {"bn", "ম্যানেজার অসুস্থ বলে সভা শুক্রবারে সরানো হয়েছে।"},
    {"ta", "மேலாளர் நோய்வாய்ப்பட்டதால் கூட்டம் ஒத்திவைக்கப்பட்டது."},
    {"th", "การประชุมถูกเลื่อนไปวันศุกร์เพราะผู้จัดการป่วย"},
    {"ka", "შეხვედრა პარასკევს გადაიტანეს."},
    {"hy", "Հանդիպումը տեղափոխվեց ուրբաթ։"},
    {"am", "ስብሰባው ወደ ዓርብ ተላልፏል።"},
    {"und", "Mkubwa wa shule alisema kwamba watoto wote wanapenda kusoma"},
    {"und", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"und", "12345 + 67 = ?!"},
    {"und", ""},
};

/* A few words each: most are right (54 of 59; Danish is near Norwegian), and the wrong ones are said with doubt. */
static const char *const phrases[][2] = {
    {"en", "What time is it?"},
    {"en", "Tell me a joke about cats"},
    {"en", "Fix my code please"},
    {"de", "Wie spät ist es?"},
    {"de", "Erzähl mir einen Witz über Katzen"},
    {"de", "Schreib mir ein Gedicht"},
    {"fr", "Quelle heure est-il ?"},
    {"fr", "Raconte-moi une blague sur les chats"},
    {"fr", "Écris-moi un poème"},
    {"es", "¿Qué hora es?"},
    {"es", "Cuéntame un chiste sobre gatos"},
    {"es", "Escríbeme un poema"},
    {"it", "Che ore sono?"},
    {"it", "Raccontami una barzelletta sui gatti"},
    {"it", "Scrivimi una poesia"},
    {"pt", "Que horas são?"},
    {"pt", "Conte-me uma piada sobre gatos"},
    {"pt", "Escreva um poema para mim"},
    {"nl", "Hoe laat is het?"},
    {"nl", "Vertel me een grap over katten"},
    {"nl", "Schrijf een gedicht voor mij"},
    {"sv", "Vad är klockan?"},
    {"sv", "Berätta ett skämt om katter"},
    {"da", "Hvad er klokken?"},
    {"da", "Fortæl mig en vittighed om katte"},
    {"nb", "Hva er klokka?"},
    {"nb", "Møtet ble flyttet til fredag fordi sjefen er syk."},
    {"nb", "Fortell meg en vits om katter"},
    {"fi", "Paljonko kello on?"},
    {"fi", "Kerro minulle vitsi kissoista"},
    {"pl", "Która jest godzina?"},
    {"pl", "Opowiedz mi dowcip o kotach"},
    {"pl", "Napisz dla mnie wiersz"},
    {"cs", "Kolik je hodin?"},
    {"cs", "Pověz mi vtip o kočkách"},
    {"ro", "Cât este ceasul?"},
    {"ro", "Spune-mi o glumă despre pisici"},
    {"hu", "Hány óra van?"},
    {"hu", "Mondj egy viccet a macskákról"},
    {"tr", "Saat kaç?"},
    {"tr", "Bana kedilerle ilgili bir fıkra anlat"},
    {"tr", "Bana bir şiir yaz"},
    {"vi", "Mấy giờ rồi?"},
    {"vi", "Kể cho tôi một câu chuyện cười về mèo"},
    {"id", "Jam berapa sekarang?"},
    {"id", "Ceritakan lelucon tentang kucing"},
    {"ru", "Который час?"},
    {"ru", "Расскажи мне шутку про кошек"},
    {"ru", "Напиши мне стихотворение"},
    {"uk", "Котра година?"},
    {"uk", "Розкажи мені жарт про котів"},
    {"bg", "Колко е часът?"},
    {"bg", "Разкажи ми виц за котки"},
    {"ar", "كم الساعة؟"},
    {"ar", "أخبرني نكتة عن القطط"},
    {"fa", "ساعت چند است؟"},
    {"fa", "یک لطیفه درباره گربه‌ها بگو"},
    {"ur", "کتنے بجے ہیں؟"},
    {"ur", "مجھے بلیوں کے بارے میں ایک لطیفہ سنائیں"},
};

/* One word or two, by which people begin. */
static const char *const greetings[][2] = {
    {"en", "Hello"},          {"de", "Guten Tag"},  {"de", "GUTEN MORGEN!"},
    {"fr", "Bonjour"},        {"es", "¡Hola!"},     {"it", "Buongiorno"},
    {"nl", "Goedemorgen"},    {"sv", "God morgon"}, {"pl", "Cześć"},
    {"fi", "Kiitos"},         {"pt", "Olá"},        {"tr", "Günaydın"},
    {"ru", "Привет!"},        {"uk", "Привіт"},     {"bg", "Здравей"},
    {"vi", "Xin chào"},       {"ar", "مرحبا"},      {"fa", "سلام، ممنون"},
    {"fr", "Je ne sais pas"}, {"es", "No puedo"},
};

static struct language_guess find(const char *text)
{
    return language_find(&table, (struct span){text, strlen(text)});
}

static void test_sentences(void)
{
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        struct language_guess guess = find(sentences[i][1]);
        CHECK_STR(guess.code, sentences[i][0]);
        CHECK(guess.confidence >= 0 && guess.confidence <= 1);
        CHECK((guess.confidence >= 0.2f) == (strcmp(guess.code, "und") != 0));
    }
}

static void test_greetings(void)
{
    for (size_t i = 0; i < sizeof greetings / sizeof *greetings; i++)
        CHECK_STR(find(greetings[i][1]).code, greetings[i][0]);
}

static void test_phrases(void)
{
    size_t n = sizeof phrases / sizeof *phrases, right = 0;

    for (size_t i = 0; i < n; i++) {
        struct language_guess guess = find(phrases[i][1]);
        bool is = strcmp(guess.code, phrases[i][0]) == 0;
        right += is;
        if (!is && getenv("LANGUAGE_REPORT"))
            printf("%s, not %s (%.2f): %s\n", guess.code, phrases[i][0], (double)guess.confidence,
                   phrases[i][1]);
        CHECK(is || guess.confidence < 0.7f);
    }
    CHECK(right * 100 >= n * 85);
}

static void test_code_aside(void)
{
    CHECK_STR(
        find("Was macht das?\n```\nif this then that for the while\n```\nErkläre es bitte.").code,
        "de");
    CHECK_STR(find("```\nwhat is the name of this\n```").code, "und");
    CHECK_STR(find("```what is the name of this").code, "und");
    struct language_guess mixed = find("Перевод слова house на русский язык");
    CHECK_STR(mixed.code, "ru");
    CHECK(mixed.confidence < 0.95f); /* the other script takes its share */
}

static void test_codes(void)
{
    int n = 0;

    for (; language_code(n); n++)
        CHECK_INT(strlen(language_code(n)), 2);
    CHECK_INT(n, 45);
    CHECK(table.used > 4000 && table.used < LANGUAGE_SLOTS * 3 / 4);
}

/* Ends after LANGUAGE_TEXT bytes of prose; what is left out takes no more than reading it once. */
static void test_time(void)
{
    static const char *const parts[] = {"a",        "```",          "``` ",      "`",
                                        "the ",     "\xff",         "\xc3",      "\0",
                                        "\xd8\xb9", "\xe4\xb8\xad", "e\xcc\x81", "```x```"};
    enum { SIZE = 4 << 20 };
    char *text = malloc(SIZE);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strlen(parts[i]) ? strlen(parts[i]) : 1;
        for (size_t k = 0; k < SIZE; k++)
            text[k] = parts[i][k % n];
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        struct language_guess guess = language_find(&table, (struct span){text, SIZE});
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        CHECK(guess.confidence >= 0 && guess.confidence <= 1);
        CHECK((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9 < 0.5);
    }
    free(text);
}

int main(void)
{
    language_init(&table);
    test_sentences();
    test_greetings();
    test_phrases();
    test_code_aside();
    test_codes();
    test_time();
    return test_report("language");
}
