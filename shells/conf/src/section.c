/* Sections: which there are, what each may and must hold. */
#include "parser.h"

#include <string.h>

/* unknown: the message for every other setting. It quotes nothing of a [key], where it might be key material. */
static const struct {
    const char *name, *unknown;
    struct setting setting[SETTINGS_MAX];
} sections[] = {
    [SECTION_BOOT] = {"boot",
                      "unknown setting % in [boot], expected next, next-options, drive, console or on-error",
                      {{"next", "a path with backslashes such as \\EFI\\debian\\grubx64.efi", conf_value_next, false,
                        false},
                       {"next-options", "the load options of the next loader", conf_value_next_options, false, false},
                       {"drive", "hd0 to hd9 or cd0 to cd9", conf_value_drive, false, false},
                       {"console", "serial, screen or serial,screen", conf_value_console, false, false},
                       {"on-error", "stop or boot-unprotected", conf_value_on_error, false, false}}},
    [SECTION_DISK] = {"disk",
                      "unknown setting % in [disk], expected match or range",
                      {{"match", "serial:TEXT, model:TEXT, pci:ADDRESS, port:N or any", conf_value_match, false, true},
                       {"range", "FIRST..LAST ACTION, FIRST..end ACTION or partition:N ACTION", conf_value_range, true,
                        true}}},
    [SECTION_KEY] = {"key",
                     "unknown setting in [key], expected source or unlock",
                     {{"source", "luks: or file: and a name, or hex: and 64 or 128 hexadecimal digits",
                       conf_value_source, false, true},
                      {"unlock", "passphrase, keyfile: and a name, or several with commas between", conf_value_unlock,
                       false, false}}},
};
enum { BOOT_NEXT = 0, BOOT_NEXT_OPTIONS = 1, KEY_UNLOCK = 1 }; /* indices into setting[] */

static bool name_ok(struct span s) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    for (size_t i = 0; i < s.n; i++)
        if (memchr(letters, s.p[i], sizeof letters - 1) == NULL) return false;
    return s.n > 0 && s.n <= CONF_NAME_MAX;
}

static int check_name(struct parser *p, struct span name) {
    return name_ok(name) ? 0 : conf_fail(p, "% is not a name, expected 1 to 32 of A-Z a-z 0-9 . _ -", name);
}

static int fail_twice(struct parser *p, unsigned line) {
    return conf_fail(p, "the same section is in line # already, expected each section once", line);
}

int conf_key_slot(struct parser *p, struct span name) {
    struct conf *conf = p->conf;
    int i = check_name(p, name);
    if (i) return i;
    while (i < conf->n_keys && !conf_span_is(name, conf->key[i].name)) i++;
    if (i == CONF_KEYS_MAX) return conf_fail(p, "key % is one too many, expected at most 8", name);
    if (i == conf->n_keys) conf_span_copy(name, conf->key[conf->n_keys++].name);
    return i;
}

static int begin_key(struct parser *p, struct span name) {
    int slot = conf_key_slot(p, name);
    if (slot < 0) return slot;
    p->key = &p->conf->key[slot];
    if (p->key->line != 0) return fail_twice(p, p->key->line);
    p->key->line = p->line;
    return 0;
}

static int begin_disk(struct parser *p, struct span name) {
    struct conf *conf = p->conf;
    int err = check_name(p, name);
    if (err) return err;
    for (unsigned i = 0; i < conf->n_disks; i++)
        if (conf_span_is(name, conf->disk[i].name)) return fail_twice(p, conf->disk[i].line);
    if (conf->n_disks == CONF_DISKS_MAX) return conf_fail(p, "disk % is one too many, expected at most 8", name);
    p->disk = &conf->disk[conf->n_disks++];
    p->disk->line = p->line;
    conf_span_copy(name, p->disk->name);
    return 0;
}

static int begin_boot(struct parser *p) {
    if (p->boot_line != 0) return fail_twice(p, p->boot_line);
    p->boot_line = p->line;
    return 0;
}

/* [disk "NAME"] when open is [disk " and so on. */
static bool is_named(struct span line, const char *open, struct span *out_name) {
    *out_name = line;
    if (!conf_span_skip(out_name, open) || out_name->n < 2) return false;
    out_name->n -= 2;
    return memcmp(out_name->p + out_name->n, "\"]", 2) == 0;
}

int conf_section_begin(struct parser *p, struct span line) {
    struct span name;
    int err = conf_section_end(p);
    if (err) return err;
    p->section_line = p->line;
    memset(p->set_line, 0, sizeof p->set_line);

    if (conf_span_is(line, "[boot]")) {
        p->section = SECTION_BOOT;
        return begin_boot(p);
    }
    if (is_named(line, "[disk \"", &name)) {
        p->section = SECTION_DISK;
        return begin_disk(p, name);
    }
    if (is_named(line, "[key \"", &name)) {
        p->section = SECTION_KEY;
        return begin_key(p, name);
    }
    return conf_fail(p, "% is not a section, expected [boot], [disk \"NAME\"] or [key \"NAME\"]", line);
}

/* A LUKS header is unlocked by a passphrase, if nothing else is said. */
static int end_key(struct parser *p) {
    if (p->key->kind != CONF_KEY_LUKS && p->key->n_unlocks > 0)
        return conf_fail_at(p, p->set_line[KEY_UNLOCK], "unlock without source = luks:NAME, expected both or neither");
    if (p->key->kind == CONF_KEY_LUKS && p->key->n_unlocks == 0) p->key->n_unlocks = 1; /* a CONF_UNLOCK_PASSPHRASE */
    return 0;
}

int conf_section_end(struct parser *p) {
    for (unsigned i = 0; i < SETTINGS_MAX; i++) {
        const struct setting *s = &sections[p->section].setting[i];
        if (s->required && p->set_line[i] == 0)
            return conf_fail_at(p, p->section_line, "[$] without $, expected $", sections[p->section].name, s->name,
                                s->expected);
    }
    if (p->section == SECTION_BOOT && p->set_line[BOOT_NEXT] == 0 && p->set_line[BOOT_NEXT_OPTIONS] != 0)
        return conf_fail_at(p, p->set_line[BOOT_NEXT_OPTIONS], "next-options without next, expected both or neither");
    return p->section == SECTION_KEY ? end_key(p) : 0;
}

int conf_section_setting(struct parser *p, struct span name, struct span value) {
    if (p->section == SECTION_NONE)
        return conf_fail(p, "% stands before any section, expected [boot], [disk \"NAME\"] or [key \"NAME\"]", name);

    for (unsigned i = 0; i < SETTINGS_MAX; i++) {
        const struct setting *s = &sections[p->section].setting[i];
        if (s->name == NULL || !conf_span_is(name, s->name)) continue;
        if (p->set_line[i] != 0 && !s->repeats)
            return conf_fail(p, "$ is set in line # already, expected it once in a section", s->name, p->set_line[i]);
        p->set_line[i] = p->line;
        p->setting = s;
        if (value.n == 0) return conf_fail(p, "$ has no value, expected $", s->name, s->expected);
        return s->parse(p, value);
    }
    return conf_fail(p, sections[p->section].unknown, name);
}
