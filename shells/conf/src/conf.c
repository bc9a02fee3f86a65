/* From the text to its lines, and the rules that concern the file as a whole: see conf/conf.h. */
#include "parser.h"

#include <string.h>

/* Only well-formed text, no longer than a line may be, gets any further. */
static int check_line(struct parser *p, struct span line) {
    if (line.n > CONF_LINE_MAX)
        return conf_fail(p, "line is longer than # bytes, expected a shorter one", CONF_LINE_MAX);

    for (struct span rest = line; rest.n > 0;) {
        unsigned column = (unsigned)(line.n - rest.n) + 1;
        uint32_t c;
        size_t n_bytes = conf_utf8(rest, &c);
        if (n_bytes == 0)
            return conf_fail(p, "byte # of the line is not UTF-8, expected a file saved as UTF-8", column);
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return conf_fail(p, "byte # of the line is a control character, expected text ended by LF or CR LF",
                             column);
        rest = (struct span){rest.p + n_bytes, rest.n - n_bytes};
    }
    return 0;
}

static int parse_line(struct parser *p, struct span line) {
    int err = check_line(p, line);
    if (err) return err;

    struct span value = conf_line_content(line), name;
    if (value.n == 0) return 0;
    if (value.p[0] == '[') return conf_section_begin(p, value);
    if (conf_span_split(&value, "=", &name))
        return conf_section_setting(p, conf_span_trim(name), conf_span_trim(value));
    if (p->section == SECTION_KEY) return conf_fail(p, "no \"=\" in the line, expected source = hex:DIGITS");
    return conf_fail(p, "no \"=\" after %, expected NAME = VALUE or a section in brackets", conf_span_word(&value));
}

static int check_keys(struct parser *p) {
    for (unsigned i = 0; i < p->conf->n_keys; i++) {
        const struct conf_key *key = &p->conf->key[i];
        struct span name = conf_span(key->name);
        if (key->line == 0)
            return conf_fail_at(p, p->used_line[i], "there is no key %, expected a section [key %]", name, name);
        if (p->used_line[i] == 0)
            return conf_fail_at(p, key->line, "key % is not used, expected a range with encrypt:$", name, key->name);
    }
    return 0;
}

/* The first section that matches a disk takes it. Every disk that b could match, a takes before: a mistake. */
static bool covers(const struct conf_disk *a, const struct conf_disk *b) {
    if (a->match == CONF_MATCH_ANY) return true;
    return a->match == b->match && strcmp(a->text, b->text) == 0 && a->bus == b->bus && a->dev == b->dev &&
           a->fn == b->fn && a->port == b->port;
}

static int check_disks(struct parser *p) {
    const struct conf_disk *disk = p->conf->disk;
    for (unsigned b = 1; b < p->conf->n_disks; b++)
        for (unsigned a = 0; a < b; a++)
            if (covers(&disk[a], &disk[b]))
                return conf_fail_at(p, disk[b].line, "disk % can match nothing that % leaves, expected another match",
                                    conf_span(disk[b].name), conf_span(disk[a].name));
    return 0;
}

static int parse(struct parser *p, struct span text) {
    int err = 0;
    conf_text_skip_bom(&text);
    while (!err && text.n > 0) {
        p->line++;
        err = parse_line(p, conf_text_line(&text));
    }
    if (!err) err = conf_section_end(p);
    if (!err) err = check_keys(p);
    if (!err) err = check_disks(p);
    return err;
}

int conf_parse(const char *text, size_t n_bytes, struct conf *out, struct conf_error *out_error) {
    struct parser p = {.conf = out, .error = out_error};
    conf_wipe(out);
    out->console = CONF_CONSOLE_SERIAL | CONF_CONSOLE_SCREEN;
    out->on_error = CONF_STOP;
    out->drive = CONF_DRIVE_HD;
    int err = parse(&p, (struct span){text, n_bytes});
    if (err) conf_wipe(out);
    return err;
}

/* The next "name = value" of a [boot] section, whatever else is wrong with the text; false at the end. */
static bool next_boot_setting(struct span *rest, bool *in_boot, struct span *name, struct span *value) {
    while (rest->n > 0) {
        *value = conf_line_content(conf_text_line(rest));
        if (value->n > 0 && value->p[0] == '[') *in_boot = conf_span_is(*value, "[boot]");
        if (!*in_boot || !conf_span_split(value, "=", name)) continue;
        *name = conf_span_trim(*name);
        *value = conf_span_trim(*value);
        return true;
    }
    return false;
}

enum conf_on_error conf_on_error(const char *text, size_t n_bytes) {
    struct span rest = {text, n_bytes}, name, value;
    enum conf_on_error answer = CONF_STOP;
    bool in_boot = false;

    conf_text_skip_bom(&rest);
    while (next_boot_setting(&rest, &in_boot, &name, &value)) {
        if (!conf_span_is(name, "on-error")) continue;
        if (!conf_span_is(value, "boot-unprotected")) return CONF_STOP;
        answer = CONF_BOOT_UNPROTECTED;
    }
    return answer;
}

void conf_rescue_next(const char *text, size_t n_bytes, struct conf *out) {
    static const struct setting setting = {.name = "next", .expected = ""};
    struct conf_error ignored;
    struct parser p = {.conf = out, .error = &ignored, .setting = &setting};
    struct span rest = {text, n_bytes}, name, value;
    bool in_boot = false;

    conf_text_skip_bom(&rest);
    out->drive = CONF_DRIVE_HD;
    memset(out->next, 0, sizeof out->next);
    memset(out->next_options, 0, sizeof out->next_options);
    while (next_boot_setting(&rest, &in_boot, &name, &value)) {
        if (value.n == 0 || check_line(&p, value)) continue;
        if (conf_span_is(name, "drive") && conf_value_drive(&p, value)) out->drive = CONF_DRIVE_HD;
        if (conf_span_is(name, "next") && conf_value_next(&p, value)) memset(out->next, 0, sizeof out->next);
        if (conf_span_is(name, "next-options") && conf_value_next_options(&p, value)) out->next_options[0] = '\0';
    }
}

void conf_wipe(struct conf *conf) {
    memset(conf, 0, sizeof *conf);
    __asm__ volatile("" : : "r"(conf) : "memory"); /* so that the stores happen, read later or not */
}
