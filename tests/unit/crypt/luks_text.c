/* JSON of LUKS2 headers, changed in place. */
#include "luks2_text.h"

#include <criterion/criterion.h>
#include <crypt/luks.h>
#include <string.h>

static const struct crypt_luks_slot slot = {
    .state = CRYPT_LUKS_SLOT_USED,
    .priority = CRYPT_LUKS_NORMAL,
    .kdf = {.type = CRYPT_LUKS_ARGON2ID, .iterations = 4, .kib = 1048576, .lanes = 2},
    .salt_bytes = 4,
    .salt = {0xff, 0xfe, 0xfd, 0xfc},
    .af = {CRYPT_SHA256, 64, 4000},
    .area_key_bytes = 32,
    .area_offset = 32768,
    .area_bytes = 258048};

#define SLOT                                                                                                           \
    "{\"type\":\"luks2\",\"key_size\":64,\"priority\":1,\"af\":{\"type\":\"luks1\",\"stripes\":4000,\"hash\":"         \
    "\"sha256\"},"                                                                                                     \
    "\"area\":{\"type\":\"raw\",\"offset\":\"32768\",\"size\":\"258048\",\"encryption\":\"aes-xts-plain64\","          \
    "\"key_size\":32},\"kdf\":{\"salt\":\"//79/A==\",\"type\":\"argon2id\",\"time\":4,\"memory\":1048576,\"cpus\":2}}"

static char room[2048];

static struct luks2_text text_of(const char *string) {
    struct luks2_text t = {room, strlen(string), sizeof room, false};
    memcpy(room, string, t.n);
    return t;
}

static void expect(const struct luks2_text *t, const char *string) {
    cr_expect_not(t->full);
    cr_expect(t->n == strlen(string) && memcmp(t->p, string, t->n) == 0, "%.*s", (int)t->n, t->p);
}

#define DIGEST(slots)                                                                                                  \
    "\"digests\":{\"7\":{\"keyslots\":[\"3\"],\"segments\":[]},\"0\":{\"keyslots\":[" slots "],\"segments\":[\"0\"]}}"

Test(luks_text, set) {
    struct luks2_text t = text_of("{\"keyslots\":{}," DIGEST("") "}");
    crypt_luks2_text_set(&t, 3, &slot);
    expect(&t, "{\"keyslots\":{\"3\":" SLOT "}," DIGEST("\"3\"") "}");
    crypt_luks2_text_set(&t, 31, &slot);
    expect(&t, "{\"keyslots\":{\"31\":" SLOT ",\"3\":" SLOT "}," DIGEST("\"31\",\"3\"") "}");
    crypt_luks2_text_clear(&t, 3);
    expect(&t, "{\"keyslots\":{\"31\":" SLOT
               "},\"digests\":{\"7\":{\"keyslots\":[],\"segments\":[]},\"0\":{\"keyslots\":[\"31\"],"
               "\"segments\":[\"0\"]}}}");
}

Test(luks_text, replaced) {
    struct luks2_text t = text_of("{\"keyslots\" : { \"1\" : 5 , \"2\":{\"x\":[]} } , " DIGEST("\"1\", \"2\"") "}");
    crypt_luks2_text_set(&t, 2, &slot);
    expect(&t, "{\"keyslots\" : { \"1\" : 5 , \"2\":" SLOT " } , " DIGEST("\"1\", \"2\"") "}");
}

Test(luks_text, cleared) {
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"{\"keyslots\":{\"1\":{},\"2\":{},\"3\":{}}}", "{\"keyslots\":{\"1\":{},\"3\":{}}}"},
        {"{\"keyslots\":{\"2\":{},\"3\":{}}}", "{\"keyslots\":{\"3\":{}}}"},
        {"{\"keyslots\":{\"1\":{} ,\n \"2\" : {} }}", "{\"keyslots\":{\"1\":{} }}"},
        {"{\"keyslots\":{ \"2\":{} }}", "{\"keyslots\":{}}"},
        {"{\"keyslots\":{\"22\":{},\"12\":{}}}", "{\"keyslots\":{\"22\":{},\"12\":{}}}"},
        {"{\"keyslots\":{\"2\":0},\"digests\":{\"0\":{\"keyslots\":[\"1\", \"2\"]},\"1\":{\"keyslots\":[\"2\",\"2\"]}},"
         "\"tokens\":{\"0\":{\"keyslots\":[\"2\" , \"3\"],\"x\":\"2\"},\"1\":{\"type\":[\"2\"]},\"2\":{}}}",
         "{\"keyslots\":{},\"digests\":{\"0\":{\"keyslots\":[\"1\"]},\"1\":{\"keyslots\":[]}},"
         "\"tokens\":{\"0\":{\"keyslots\":[ \"3\"],\"x\":\"2\"},\"1\":{\"type\":[\"2\"]},\"2\":{}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct luks2_text t = text_of(cases[i].before);
        crypt_luks2_text_clear(&t, 2);
        expect(&t, cases[i].after);
    }
}

/* With any less room it is marked full, and nothing is written behind its end. */
Test(luks_text, room) {
    static const char before[] = "{\"keyslots\":{}," DIGEST("") "}";
    struct luks2_text t = text_of(before);
    crypt_luks2_text_set(&t, 3, &slot);
    size_t needed = t.n;
    for (size_t n_max = sizeof before - 1; n_max <= needed; n_max++) {
        t = text_of(before);
        t.n_max = n_max;
        memset(room + n_max, 'z', sizeof room - n_max);
        crypt_luks2_text_set(&t, 3, &slot);
        cr_expect_eq(t.full, n_max < needed, "%zu", n_max);
        for (size_t i = n_max; i < sizeof room; i++) cr_assert_eq(room[i], 'z');
    }
}
