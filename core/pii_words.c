/* pii_words - words that say what the number behind them is.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include <string.h>

static const struct {
    const char *word;
    enum pii_context about;
} about[] = {
    {"card", ABOUT_CARD},
    {"cards", ABOUT_CARD},
    {"cc", ABOUT_CARD},
    {"visa", ABOUT_CARD},
    {"mastercard", ABOUT_CARD},
    {"amex", ABOUT_CARD},
    {"maestro", ABOUT_CARD},
    {"creditcard", ABOUT_CARD},
    {"phone", ABOUT_PHONE},
    {"phones", ABOUT_PHONE},
    {"telephone", ABOUT_PHONE},
    {"tel", ABOUT_PHONE},
    {"mobile", ABOUT_PHONE},
    {"cell", ABOUT_PHONE},
    {"cellphone", ABOUT_PHONE},
    {"fax", ABOUT_PHONE},
    {"call", ABOUT_PHONE},
    {"called", ABOUT_PHONE},
    {"calling", ABOUT_PHONE},
    {"dial", ABOUT_PHONE},
    {"ring", ABOUT_PHONE},
    {"sms", ABOUT_PHONE},
    {"text", ABOUT_PHONE},
    {"whatsapp", ABOUT_PHONE},
    {"desk", ABOUT_PHONE},
    {"answering", ABOUT_PHONE},
    {"voicemail", ABOUT_PHONE},
    {"messages", ABOUT_PHONE},
    {"message", ABOUT_PHONE},
    {"ph", ABOUT_PHONE},
    {"cellulare", ABOUT_PHONE},
    {"celular", ABOUT_PHONE},
    {"mobil", ABOUT_PHONE},
    {"mobiel", ABOUT_PHONE},
    {"tél", ABOUT_PHONE},
    {"telefone", ABOUT_PHONE},
    {"телефон", ABOUT_PHONE},
    {"Телефон", ABOUT_PHONE},
    {"電話", ABOUT_PHONE},
    {"电话", ABOUT_PHONE},
    {"전화", ABOUT_PHONE},
    {"reach", ABOUT_NUMBER},
    {"number", ABOUT_NUMBER},
    {"nummer", ABOUT_NUMBER},
    {"numéro", ABOUT_NUMBER},
    {"número", ABOUT_NUMBER},
    {"numero", ABOUT_NUMBER},
    {"номер", ABOUT_NUMBER},
    {"Номер", ABOUT_NUMBER},
    {"landline", ABOUT_PHONE},
    {"telefon", ABOUT_PHONE},
    {"handy", ABOUT_PHONE},
    {"teléfono", ABOUT_PHONE},
    {"telefono", ABOUT_PHONE},
    {"móvil", ABOUT_PHONE},
    {"téléphone", ABOUT_PHONE},
    {"portable", ABOUT_PHONE},
    {"hotline", ABOUT_PHONE},
    {"contact", ABOUT_PHONE},
    {"ssn", ABOUT_SSN},
    {"ssns", ABOUT_SSN},
    {"social", ABOUT_SSN},
    {"itin", ABOUT_SSN},
    {"taxpayer", ABOUT_SSN},
    {"account", ABOUT_BANK},
    {"acct", ABOUT_BANK},
    {"bank", ABOUT_BANK},
    {"routing", ABOUT_BANK},
    {"aba", ABOUT_BANK},
    {"konto", ABOUT_BANK},
    {"passport", ABOUT_PASSPORT},
    {"travel", ABOUT_PASSPORT},
    {"license", ABOUT_ID},
    {"licence", ABOUT_ID},
    {"nhs", ABOUT_ID},
    {"tax", ABOUT_ID},
    {"nino", ABOUT_ID},
    {"insurance", ABOUT_ID},
    {"dni", ABOUT_ID},
    {"nie", ABOUT_ID},
    {"nif", ABOUT_ID},
    {"cpf", ABOUT_ID},
    {"aadhaar", ABOUT_ID},
    {"pesel", ABOUT_ID},
    {"nir", ABOUT_ID},
    {"sin", ABOUT_ID},
    {"tfn", ABOUT_ID},
    {"nric", ABOUT_ID},
    {"fin", ABOUT_ID},
    {"identity", ABOUT_ID},
    {"citizen", ABOUT_ID},
    {"national", ABOUT_ID},
    {"personnummer", ABOUT_ID},
    {"fiscale", ABOUT_ID},
    {"hetu", ABOUT_ID},
    {"born", ABOUT_BIRTH},
    {"birth", ABOUT_BIRTH},
    {"birthday", ABOUT_BIRTH},
    {"birthdate", ABOUT_BIRTH},
    {"dob", ABOUT_BIRTH},
    {"geboren", ABOUT_BIRTH},
    {"geburtsdatum", ABOUT_BIRTH},
    {"nacimiento", ABOUT_BIRTH},
    {"nacido", ABOUT_BIRTH},
    {"naissance", ABOUT_BIRTH},
    {"né", ABOUT_BIRTH},
    {"née", ABOUT_BIRTH},
    {"nascita", ABOUT_BIRTH},
    {"nato", ABOUT_BIRTH},
    {"nata", ABOUT_BIRTH},
    {"nacida", ABOUT_BIRTH},
    {"nascimento", ABOUT_BIRTH},
    {"nascido", ABOUT_BIRTH},
    {"nascida", ABOUT_BIRTH},
    {"geb", ABOUT_BIRTH},
    {"geboortedatum", ABOUT_BIRTH},
    {"рождения", ABOUT_BIRTH},
    {"生年月日", ABOUT_BIRTH},
    {"出生日期", ABOUT_BIRTH},
    {"생년월일", ABOUT_BIRTH},
    {"password", ABOUT_SECRET},
    {"passwd", ABOUT_SECRET},
    {"pwd", ABOUT_SECRET},
    {"passphrase", ABOUT_SECRET},
    {"passwort", ABOUT_SECRET},
    {"kennwort", ABOUT_SECRET},
    {"contraseña", ABOUT_SECRET},
    {"passe", ABOUT_SECRET}, /* mot de passe */
    {"senha", ABOUT_SECRET},
    {"wachtwoord", ABOUT_SECRET},
    {"пароль", ABOUT_SECRET},
    {"Пароль", ABOUT_SECRET},
    {"密码", ABOUT_SECRET},
    {"密碼", ABOUT_SECRET},
    {"パスワード", ABOUT_SECRET},
    {"비밀번호", ABOUT_SECRET},
    {"secret", ABOUT_SECRET},
    {"token", ABOUT_SECRET},
    {"apikey", ABOUT_SECRET},
    {"key", ABOUT_SECRET},
    {"credential", ABOUT_SECRET},
    {"credentials", ABOUT_SECRET},
    {"authtoken", ABOUT_SECRET},
    {"accesskey", ABOUT_SECRET},
    {"version", ABOUT_VERSION},
    {"versions", ABOUT_VERSION},
    {"v", ABOUT_VERSION},
    {"release", ABOUT_VERSION},
    {"firmware", ABOUT_VERSION},
    {"driver", ABOUT_VERSION},
    {"build", ABOUT_VERSION},
    {"upgrade", ABOUT_VERSION},
    {"update", ABOUT_VERSION},
    {"patch", ABOUT_VERSION},
    {"fileversion", ABOUT_VERSION},
    {"section", ABOUT_VERSION},
    {"clause", ABOUT_VERSION},
    {"clauses", ABOUT_VERSION},
    {"chapter", ABOUT_VERSION},
    {"oid", ABOUT_VERSION},
    {"versión", ABOUT_VERSION},
    {"versione", ABOUT_VERSION},
    {"versão", ABOUT_VERSION},
    {"wersja", ABOUT_VERSION},
    {"версия", ABOUT_VERSION},
    {"Версия", ABOUT_VERSION},
    {"版本", ABOUT_VERSION},
    {"private", ABOUT_NET},
    {"public", ABOUT_NET},
    {"local", ABOUT_NET},
    {"default", ABOUT_NET},
    {"ip", ABOUT_NET},
    {"ipv", ABOUT_NET},
    {"address", ABOUT_NET},
    {"addr", ABOUT_NET},
    {"adresse", ABOUT_NET},
    {"dirección", ABOUT_NET},
    {"server", ABOUT_NET},
    {"host", ABOUT_NET},
    {"hostname", ABOUT_NET},
    {"gateway", ABOUT_NET},
    {"router", ABOUT_NET},
    {"proxy", ABOUT_NET},
    {"dns", ABOUT_NET},
    {"nameserver", ABOUT_NET},
    {"resolver", ABOUT_NET},
    {"subnet", ABOUT_NET},
    {"netmask", ABOUT_NET},
    {"network", ABOUT_NET},
    {"client", ABOUT_NET},
    {"peer", ABOUT_NET},
    {"ping", ABOUT_NET},
    {"ssh", ABOUT_NET},
    {"login", ABOUT_NET},
    {"from", ABOUT_NET},
    {"to", ABOUT_NET},
    {"at", ABOUT_NET},
    {"via", ABOUT_NET},
    {"on", ABOUT_NET},
    {"for", ABOUT_NET},
    {"inet", ABOUT_NET},
    {"listen", ABOUT_NET},
    {"connect", ABOUT_NET},
    {"order", ABOUT_OTHER},
    {"orders", ABOUT_OTHER},
    {"invoice", ABOUT_OTHER},
    {"receipt", ABOUT_OTHER},
    {"part", ABOUT_OTHER},
    {"sku", ABOUT_OTHER},
    {"serial", ABOUT_OTHER},
    {"tracking", ABOUT_OTHER},
    {"shipment", ABOUT_OTHER},
    {"parcel", ABOUT_OTHER},
    {"case", ABOUT_OTHER},
    {"ticket", ABOUT_OTHER},
    {"issue", ABOUT_OTHER},
    {"batch", ABOUT_OTHER},
    {"lot", ABOUT_OTHER},
    {"asset", ABOUT_OTHER},
    {"tag", ABOUT_OTHER},
    {"rma", ABOUT_OTHER},
    {"po", ABOUT_OTHER},
    {"policy", ABOUT_OTHER},
    {"contract", ABOUT_OTHER},
    {"reference", ABOUT_OTHER},
    {"ref", ABOUT_OTHER},
    {"drawing", ABOUT_OTHER},
    {"model", ABOUT_OTHER},
    {"item", ABOUT_OTHER},
    {"product", ABOUT_OTHER},
    {"article", ABOUT_OTHER},
    {"artikel", ABOUT_OTHER},
    {"id", ABOUT_OTHER},
    {"ids", ABOUT_OTHER},
    {"code", ABOUT_OTHER},
    {"error", ABOUT_OTHER},
    {"meter", ABOUT_OTHER},
    {"flight", ABOUT_OTHER},
    {"booking", ABOUT_OTHER},
    {"ean", ABOUT_OTHER},
    {"upc", ABOUT_OTHER},
    {"gtin", ABOUT_OTHER},
    {"isin", ABOUT_OTHER},
    {"cusip", ABOUT_OTHER},
    {"wkn", ABOUT_OTHER},
    {"vin", ABOUT_OTHER},
    {"isbn", ABOUT_OTHER},
    {"issn", ABOUT_OTHER},
    {"lccn", ABOUT_OTHER},
    {"doi", ABOUT_OTHER},
    {"patent", ABOUT_OTHER},
    {"cas", ABOUT_OTHER},
    {"nsn", ABOUT_OTHER},
    {"ndc", ABOUT_OTHER},
    {"imo", ABOUT_OTHER},
    {"zip", ABOUT_OTHER},
    {"score", ABOUT_OTHER},
    {"page", ABOUT_OTHER},
    {"pages", ABOUT_OTHER},
    {"pp", ABOUT_OTHER},
    {"row", ABOUT_OTHER},
    {"rechnung", ABOUT_OTHER},
    {"bestellung", ABOUT_OTHER},
    {"aktenzeichen", ABOUT_OTHER},
    {"az", ABOUT_OTHER},
    {"blz", ABOUT_OTHER},
    {"commande", ABOUT_OTHER},
    {"facture", ABOUT_OTHER},
    {"dossier", ABOUT_OTHER},
    {"série", ABOUT_OTHER},
    {"serie", ABOUT_OTHER},
    {"pedido", ABOUT_OTHER},
    {"factura", ABOUT_OTHER},
    {"expediente", ABOUT_OTHER},
    {"ordine", ABOUT_OTHER},
    {"fattura", ABOUT_OTHER},
    {"protocollo", ABOUT_OTHER},
    {"zamówienia", ABOUT_OTHER},
    {"заказа", ABOUT_OTHER},
    {"sha", ABOUT_DIGEST},
    {"md", ABOUT_DIGEST},
    {"digest", ABOUT_DIGEST},
    {"checksum", ABOUT_DIGEST},
    {"fingerprint", ABOUT_DIGEST},
    {"integrity", ABOUT_DIGEST},
    {"etag", ABOUT_DIGEST},
    {"commit", ABOUT_DIGEST},
    {"hash", ABOUT_DIGEST},
    {"wallet", ABOUT_CRYPTO},
    {"bitcoin", ABOUT_CRYPTO},
    {"btc", ABOUT_CRYPTO},
    {"eth", ABOUT_CRYPTO},
};

enum { ABOUT = sizeof about / sizeof *about, WORD_MAX = 18 };

_Static_assert(ABOUT < PII_WORD_SLOTS / 2, "words are found in a step or two");

/* Words differ in their ends and their length. */
static unsigned slot_of(const char *p, size_t n)
{
    uint32_t h = (uint32_t)(p[0] | 0x20) | (uint32_t)(unsigned char)p[n / 2] << 8 |
                 (uint32_t)((unsigned char)p[n - 1] | 0x20) << 16 | (uint32_t)n << 24;

    return ((h & 0xffffdfff) * 2654435769u >> 16) % PII_WORD_SLOTS;
}

void pii_words_begin(struct pii_scan *s)
{
    for (unsigned i = 0; i < ABOUT; i++) {
        unsigned at = slot_of(about[i].word, strlen(about[i].word));
        while (s->words[at])
            at = (at + 1) % PII_WORD_SLOTS;
        s->words[at] = (unsigned short)(i + 1);
    }
}

static void note(struct pii_scan *s, enum pii_context what, size_t to)
{
    s->seen[what] = to;
    s->nearest = what;
}

static bool is_one_of(struct span word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == word.n && strncasecmp(list[i], word.p, word.n) == 0)
            return true;
    return false;
}

/* "number" tells nothing behind the name of another thing: "meter number", but "my number", "Dana's number". */
static bool is_own_number(const struct pii_scan *s, size_t from)
{
    static const char *const owners[] = {
        "my",   "your",   "his",  "her",     "our",  "their",   "the",    "this",
        "new",  "direct", "best", "private", "work", "home",    "office", "main",
        "mein", "meine",  "mon",  "ma",      "mi",   "mio",     "la",     "le",
        "el",   "il",     "die",  "s",       "a",    "contact", "and",    "or"};
    size_t end = from;

    while (end && from - end < 2 && s->text.p[end - 1] == ' ')
        end--;
    size_t at = end;
    while (at && end - at < 10 && text_is_letter((unsigned char)s->text.p[at - 1]))
        at--;
    return at == end || is_one_of((struct span){s->text.p + at, end - at}, owners,
                                  sizeof owners / sizeof *owners);
}

/* German joins words, Chinese and Japanese have no blanks: the end of a word tells. */
static void hear_end(struct pii_scan *s, size_t from, size_t to)
{
    static const struct {
        const char *end;
        enum pii_context about;
    } ends[] = {
        {"telefonnummer", ABOUT_PHONE}, {"telefoonnummer", ABOUT_PHONE},
        {"handynummer", ABOUT_PHONE},   {"mobilnummer", ABOUT_PHONE},
        {"rufnummer", ABOUT_PHONE},     {"faxnummer", ABOUT_PHONE},
        {"kontonummer", ABOUT_BANK},    {"rekeningnummer", ABOUT_BANK},
        {"kartennummer", ABOUT_CARD},   {"passnummer", ABOUT_PASSPORT},
        {"ausweisnummer", ABOUT_ID},    {"versicherungsnummer", ABOUT_ID},
        {"steuernummer", ABOUT_ID},     {"servicenummer", ABOUT_ID},
        {"nummer", ABOUT_OTHER},        {"電話番号", ABOUT_PHONE},
        {"电话号码", ABOUT_PHONE},      {"手机号", ABOUT_PHONE},
        {"手机号码", ABOUT_PHONE},      {"電話", ABOUT_PHONE},
        {"电话", ABOUT_PHONE},          {"전화번호", ABOUT_PHONE},
        {"身份证", ABOUT_ID},           {"身份证号", ABOUT_ID},
        {"身份证号码", ABOUT_ID},       {"주민번호", ABOUT_ID},
        {"주민등록번호", ABOUT_ID},     {"个人番号", ABOUT_ID},
        {"口座番号", ABOUT_BANK},       {"계좌번호", ABOUT_BANK},
        {"账号", ABOUT_BANK},           {"卡号", ABOUT_CARD},
        {"カード番号", ABOUT_CARD},     {"护照号", ABOUT_PASSPORT},
        {"番号", ABOUT_OTHER},          {"号", ABOUT_OTHER},
        {"번호", ABOUT_OTHER},          {"型番", ABOUT_OTHER},
        {"版本", ABOUT_VERSION},        {"密码", ABOUT_SECRET},
        {"密碼", ABOUT_SECRET},         {"パスワード", ABOUT_SECRET},
        {"비밀번호", ABOUT_SECRET},     {"生年月日", ABOUT_BIRTH},
        {"出生日期", ABOUT_BIRTH},      {"생년월일", ABOUT_BIRTH},
    };

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i].end);
        if (to - from >= n && strncasecmp(ends[i].end, s->text.p + to - n, n) == 0) {
            note(s, ends[i].about, to);
            return;
        }
    }
}

void pii_hear(struct pii_scan *s, size_t from, size_t to)
{
    size_t n = to - from;
    const char *p = s->text.p + from;

    if (n < WORD_MAX)
        for (unsigned at = slot_of(p, n); s->words[at]; at = (at + 1) % PII_WORD_SLOTS) {
            const char *word = about[s->words[at] - 1].word;
            if ((word[0] ^ p[0]) & ~0x20 || strncasecmp(word, p, n) != 0 || word[n])
                continue;
            enum pii_context what = about[s->words[at] - 1].about;
            if (what == ABOUT_NUMBER && s->seen[s->nearest] && from - s->seen[s->nearest] <= 1)
                return; /* "phone number", "order number" */
            if (what != ABOUT_NUMBER || is_own_number(s, from))
                note(s, what, to);
            return;
        }
    if (n > 5 && ((p[n - 1] | 0x20) == 'r' || (unsigned char)p[n - 1] >= 0x80))
        hear_end(s, from, to);
}
