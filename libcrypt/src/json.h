/* JSON text as a LUKS2 header holds it: checked as a whole, once, and then found again by looking.
 *
 * There is no tree and no storage: a value is a piece of the text, and a member is found by passing over those before
 * it. Unknown members therefore cost nothing and stay as they are when a known one is replaced. No recursion, no
 * allocation; any text ends in bounded time, since depth, members and length are limited.
 *
 * Stricter than the standard in three points: the text is an object, no object has the same name twice, and names are
 * written without escapes, so that comparing bytes is comparing names. Bytes above 0x7f are passed over unread.
 *
 * Source: RFC 8259 (December 2017), 2 "JSON Grammar". */
#ifndef CRYPT_JSON_H
#define CRYPT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPT_JSON_TEXT_MAX    65536u
#define CRYPT_JSON_DEPTH_MAX   16u
#define CRYPT_JSON_MEMBERS_MAX 64u /* of one object */

/* A value or a name: its text from the first byte to the last, quotes and brackets included. Borrowed. */
struct json {
    const char *p;
    size_t n;
};

/* True: text, apart from blanks around it, is one object as above, *out. False: *out_why is a sentence. Every other
 * function's values MUST come from a text that was found right. */
bool crypt_json_check(struct json text, struct json *out, const char **out_why);

/* RFC 8259, 2: "ws". */
bool crypt_json_is_blank(char c);
bool crypt_json_is_object(struct json v);
bool crypt_json_is_array(struct json v);
/* Is it this string? MUST: string holds nothing that JSON would escape. */
bool crypt_json_is(struct json v, const char *string);

/* Step through an object or an array, in *rest, which begins as that value. False: no more. name is NULL for arrays.
 * MUST: it is one of the two. */
bool crypt_json_next(struct json *rest, struct json *name, struct json *value);

/* The member of that name. False: there is none, or v is no object. */
bool crypt_json_member(struct json v, const char *name, struct json *out);
/* The same, for a member that must be an object or an array. */
bool crypt_json_object(struct json v, const char *name, struct json *out);
bool crypt_json_array(struct json v, const char *name, struct json *out);
/* The element of an array that is this string. False: there is none. MUST: v is an array. */
bool crypt_json_element(struct json v, const char *string, struct json *out);

/* A number of digits only, at most max. _text: inside a string, as LUKS2 writes 64 bits. */
bool crypt_json_number(struct json v, uint64_t max, uint64_t *out);
bool crypt_json_number_text(struct json v, uint64_t max, uint64_t *out);
/* The same, of a member. */
bool crypt_json_member_u32(struct json v, const char *name, uint32_t *out);
bool crypt_json_member_u64_text(struct json v, const char *name, uint64_t *out);

/* The bytes of a string in base64 with its padding (RFC 4648, 4 "Base 64 Encoding"), 1 to n_max of them. */
bool crypt_json_base64(struct json v, uint8_t *out, size_t n_max, size_t *out_n);

#endif
