/* The parser's state, and what its files offer each other.
 *
 * Functions that return int: 0 (or what they say), or CONF_E_INVALID after they described the error; then the parse is
 * over. */
#ifndef CONF_PARSER_H
#define CONF_PARSER_H

#include "text.h"

#include <conf/conf.h>

enum section { SECTION_NONE, SECTION_BOOT, SECTION_DISK, SECTION_KEY };

#define SETTINGS_MAX 5u /* in one section */

struct parser {
    struct conf *conf;
    struct conf_error *error;
    unsigned line; /* that is being parsed */

    enum section section;
    unsigned section_line;
    unsigned set_line[SETTINGS_MAX]; /* where each setting of this section was last given; 0: not yet */
    const struct setting *setting;   /* the one being parsed */
    struct conf_disk *disk;          /* in SECTION_DISK */
    struct conf_key *key;            /* in SECTION_KEY */

    unsigned boot_line;                /* of [boot]; 0: not yet */
    unsigned used_line[CONF_KEYS_MAX]; /* first range that names each key; 0: none yet */
};

/* section.c: what a section is called, holds, and must hold */
int conf_section_begin(struct parser *p, struct span line);
int conf_section_end(struct parser *p);
int conf_section_setting(struct parser *p, struct span name, struct span value);
/* Index of the key of that name, made if new. */
int conf_key_slot(struct parser *p, struct span name);

struct setting {
    const char *name;
    const char *expected; /* as messages put it */
    int (*parse)(struct parser *p, struct span value);
    bool repeats, required;
};

/* value.c, range.c and key.c: one setting each. MUST: value is trimmed and not empty. */
int conf_value_next(struct parser *p, struct span value);
int conf_value_next_options(struct parser *p, struct span value);
int conf_value_drive(struct parser *p, struct span value);
int conf_value_console(struct parser *p, struct span value);
int conf_value_on_error(struct parser *p, struct span value);
int conf_value_match(struct parser *p, struct span value);
int conf_value_source(struct parser *p, struct span value);
int conf_value_unlock(struct parser *p, struct span value);
int conf_value_range(struct parser *p, struct span value);

/* error.c. Describe the error, in the current line or in another; return CONF_E_INVALID.
 * Each mark in the template consumes an argument:
 *   %  struct span    words of the file: in quotes, shortened, only printable ASCII
 *   $  const char *   words of ours, as they are
 *   #  unsigned       in decimal */
int conf_fail_at(struct parser *p, unsigned line, const char *template, ...);
#define conf_fail(p, ...) conf_fail_at(p, (p)->line, __VA_ARGS__)
/* "VALUE is not a value for SETTING, expected EXPECTED" */
int conf_fail_value(struct parser *p, struct span value, const char *expected);

#endif
