/* Pieces of a text: runs of bytes that belong to somebody else, and the few questions the parser asks about them. Pure.
 */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *p;
    size_t n;
};

struct span conf_span(const char *string);
bool conf_span_is(struct span s, const char *string);
/* If s begins with prefix, remove it. */
bool conf_span_skip(struct span *s, const char *prefix);
/* Without blanks (spaces and tabs) on either side. */
struct span conf_span_trim(struct span s);
/* Remove and return the leading run of non-blank bytes; what remains is trimmed. MUST: s is trimmed. */
struct span conf_span_word(struct span *s);
/* Split at the first occurrence of separator: true, *s is what follows, *out_before what comes before. */
bool conf_span_split(struct span *s, const char *separator, struct span *out_before);
/* MUST: out has room for s and a NUL. */
void conf_span_copy(struct span s, char *out);

/* Remove and return the next line without its end, LF or CR LF. MUST: text->n > 0. */
struct span conf_text_line(struct span *text);
void conf_text_skip_bom(struct span *text);
/* Without its comment (# at the start or after a blank, up to the end) and surrounding blanks. */
struct span conf_line_content(struct span line);

/* Length in bytes of the well-formed UTF-8 character s begins with, or 0; *out is the character. MUST: s.n > 0. */
size_t conf_utf8(struct span s, uint32_t *out);

/* Decimal digits only. *out is set for CONF_NUMBER_OK. MUST: max >= 9. */
enum conf_number { CONF_NUMBER_OK, CONF_NUMBER_BAD, CONF_NUMBER_TOO_LARGE };
enum conf_number conf_number(struct span s, uint64_t max, uint64_t *out);
/* Value of a hexadecimal digit, or -1. */
int conf_hex_digit(char c);

#endif
