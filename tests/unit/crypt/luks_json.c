/* JSON as LUKS2 headers hold it: what is accepted, and what is found. */
#include "json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json span(const char *text) { return (struct json){text, strlen(text)}; }

static bool right(struct json text, const char **why) {
    struct json root;
    *why = "";
    return crypt_json_check(text, &root, why);
}

Test(luks_json, accepted) {
    static const char *const texts[] = {
        "{}",
        " {\r\n\t} ",
        "{\"\":0}",
        "{\"a\":[],\"b\":{},\"c\":[{},[[]]]}",
        "{\"a\":[1,-0,0.5,1e5,1E+5,1.25e-10,true,false,null,\"\"]}",
        "{ \"a\" : \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\" , \"b\" : \"\xC3\xA4{}[],:\" }",
        "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}",
    };
    const char *why;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect(right(span(texts[i]), &why), "%s: %s", texts[i], why);
}

Test(luks_json, refused) {
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "not JSON"},
        {" ", "not JSON"},
        {"[]", "not JSON"},
        {"1", "not JSON"},
        {"\"a\"", "not JSON"},
        {"{", "not JSON"},
        {"}", "not JSON"},
        {"{}{}", "not JSON"},
        {"{},", "not JSON"},
        {"{]", "not JSON"},
        {"{\"a\":[}", "not JSON"},
        {"{\"a\"}", "not JSON"},
        {"{\"a\":}", "not JSON"},
        {"{\"a\":1,}", "not JSON"},
        {"{,\"a\":1}", "not JSON"},
        {"{\"a\":1 \"b\":2}", "not JSON"},
        {"{a:1}", "not JSON"},
        {"{1:1}", "not JSON"},
        {"{'a':1}", "not JSON"},
        {"{\"a\":[1,]}", "not JSON"},
        {"{\"a\":[,1]}", "not JSON"},
        {"{\"a\":[1 2]}", "not JSON"},
        {"{\"a\":[1:2]}", "not JSON"},
        {"{\"a\":01}", "not JSON"},
        {"{\"a\":+1}", "not JSON"},
        {"{\"a\":-}", "not JSON"},
        {"{\"a\":.5}", "not JSON"},
        {"{\"a\":5.}", "not JSON"},
        {"{\"a\":5e}", "not JSON"},
        {"{\"a\":tru}", "not JSON"},
        {"{\"a\":True}", "not JSON"},
        {"{\"a\":nullx}", "not JSON"},
        {"{\"a\":\"}", "not JSON"},
        {"{\"a\":\"\\\"}", "not JSON"},
        {"{\"a\":\"\\x\"}", "not JSON"},
        {"{\"a\":\"\\u12g4\"}", "not JSON"},
        {"{\"a\":\"\n\"}", "not JSON"},
        {"{\"\\u0061\":1}", "not JSON"},
        {"{\"a\":1/*c*/}", "not JSON"},
        {"\xEF\xBB\xBF{}", "not JSON"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "same name"},
        {"{\"x\":[{\"a\":1,\"a\":{}}]}", "same name"},
        {"{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "too deeply"},
    };
    const char *why;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_not(right(span(cases[i].text), &why), "%s", cases[i].text);
        cr_expect(strstr(why, cases[i].why) != NULL, "%s: %s", cases[i].text, why);
    }
    cr_expect_not(right((struct json){"{\"a\":\"\0\"}", 9}, &why));
    cr_expect_not(right((struct json){"{}\0", 3}, &why));
}

/* Cut short anywhere, it is refused, and nothing behind it is read: the sanitizers watch a copy of its very length. */
Test(luks_json, cut_short) {
    static const char text[] = "{\"a\":[1,{\"b\":\"\\u00e4\\n\"},null],\"c\":-1.5e+7}";
    const char *why;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *copy = malloc(n + 1);
        memcpy(copy + 1, text, n);
        cr_expect_not(right((struct json){copy + 1, n}, &why), "%zu", n);
        free(copy);
    }
    cr_expect(right((struct json){text, sizeof text - 1}, &why));
}

Test(luks_json, limits) {
    static char text[CRYPT_JSON_TEXT_MAX + 2];
    const char *why;
    size_t n = 0;
    memset(text, ' ', sizeof text);
    memcpy(text, "{}", 2);
    cr_expect(right((struct json){text, CRYPT_JSON_TEXT_MAX}, &why));
    cr_expect_not(right((struct json){text, CRYPT_JSON_TEXT_MAX + 1}, &why));
    cr_expect(strstr(why, "too long") != NULL);
    for (unsigned i = 0; i < CRYPT_JSON_MEMBERS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%u\":%u", i ? "," : "{", i, i);
    cr_expect(right((struct json){text, (size_t)snprintf(text + n, sizeof text - n, "}") + n}, &why));
    cr_expect_not(right((struct json){text, (size_t)snprintf(text + n, sizeof text - n, ",\"x\":0}") + n}, &why));
    cr_expect(strstr(why, "too many members") != NULL);
}

Test(luks_json, found) {
    struct json root, v, list;
    const char *why;
    uint32_t u32;
    uint64_t u64;
    cr_assert(crypt_json_check(
        span(" { \"s\" : \"} \\\" ]\" , \"n\":7, \"o\":{\"n\":8,\"x\":[ ]}, \"l\":[ \"1\" , [\"2\"],{\"3\":0}, \"4\"],"
             "\"t\":\"18446744073709551615\",\"big\":4294967296,\"z\":null } "),
        &root, &why));
    cr_expect(crypt_json_member_u32(root, "n", &u32) && u32 == 7);
    cr_expect(crypt_json_object(root, "o", &v) && crypt_json_member_u32(v, "n", &u32) && u32 == 8);
    cr_expect(crypt_json_member_u64_text(root, "t", &u64) && u64 == UINT64_MAX);
    cr_expect_not(crypt_json_member_u32(root, "big", &u32));
    cr_expect_not(crypt_json_member_u32(root, "t", &u32));
    cr_expect_not(crypt_json_member_u64_text(root, "n", &u64));
    cr_expect_not(crypt_json_member(root, "x", &v));
    cr_expect_not(crypt_json_object(root, "l", &v));
    cr_expect_not(crypt_json_array(root, "o", &v));
    cr_expect_not(crypt_json_member(span("[\"a\"]"), "a", &v));
    cr_expect(crypt_json_member(root, "z", &v) && v.n == 4);
    cr_expect(crypt_json_member(root, "s", &v) && v.n == 8);
    cr_assert(crypt_json_array(root, "l", &list));
    cr_expect(crypt_json_element(list, "1", &v) && crypt_json_element(list, "4", &v));
    cr_expect_not(crypt_json_element(list, "2", &v));
    cr_expect_not(crypt_json_element(list, "3", &v));
    unsigned n = 0;
    while (crypt_json_next(&list, NULL, &v)) n++;
    cr_expect_eq(n, 4);
    cr_expect_not(crypt_json_next(&list, NULL, &v));
}

Test(luks_json, numbers) {
    uint64_t v;
    cr_expect(crypt_json_number(span("255"), 255, &v) && v == 255);
    cr_expect(crypt_json_number(span("0"), 0, &v) && v == 0);
    cr_expect(crypt_json_number_text(span("\"31\""), 31, &v) && v == 31);
    static const char *const wrong[] = {"256",  "99999999999999999999999", "00", "01", "-1", "1.0", "1e2", "", "x",
                                        "\"1\""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect_not(crypt_json_number(span(wrong[i]), 255, &v), "%s", wrong[i]);
    static const char *const wrong_text[] = {"1", "\"\"", "\"32\"", "\"1", "\" 1\"", "\"1 \"", "\"01\""};
    for (size_t i = 0; i < sizeof wrong_text / sizeof wrong_text[0]; i++)
        cr_expect_not(crypt_json_number_text(span(wrong_text[i]), 31, &v), "%s", wrong_text[i]);
}

Test(luks_json, base64) {
    static const struct {
        const char *text, *bytes;
    } good[] = {{"\"Zg==\"", "f"},        {"\"Zm8=\"", "fo"},        {"\"Zm9v\"", "foo"},
                {"\"Zm9vYg==\"", "foob"}, {"\"Zm9vYmE=\"", "fooba"}, {"\"Zm9vYmFy\"", "foobar"},
                {"\"Pz8\\/\"", "???"},    {"\"Pz8/\"", "???"},       {"\"fn5+\"", "~~~"}};
    uint8_t out[6];
    size_t n;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_expect(crypt_json_base64(span(good[i].text), out, sizeof out, &n), "%s", good[i].text);
        cr_expect(n == strlen(good[i].bytes) && memcmp(out, good[i].bytes, n) == 0, "%s", good[i].text);
    }
    static const char *const wrong[] = {"\"\"",      "\"Z\"",    "\"Zg\"",      "\"Zg=\"",  "\"Zg===\"",
                                        "\"Zm8\"",   "\"Z===\"", "\"Zm=8\"",    "\"====\"", "\"Zm9vYmFyZg==\"",
                                        "\"Zm9 v\"", "\"Zm-v\"", "\"Zm\\\\v\"", "Zm9v",     "1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect_not(crypt_json_base64(span(wrong[i]), out, sizeof out, &n), "%s", wrong[i]);
}
