/* Any text gives a configuration that keeps every promise of conf/conf.h, or an error a person can read. */
#include <conf/conf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

#define REQUIRE(condition) require(condition, #condition)

static void check_range(const struct conf *c, const struct conf_range *r) {
    REQUIRE(r->partition <= CONF_PART_MAX && memchr(r->partuuid, '\0', sizeof r->partuuid) != NULL);
    REQUIRE(!r->partition || !r->partuuid[0]);
    REQUIRE(conf_range_names_partition(r) ? !r->first_lba && !r->end_lba : r->first_lba < r->end_lba);
    REQUIRE(r->first_lba <= CONF_LBA_MAX);
    REQUIRE(r->end_lba <= CONF_LBA_MAX + 1 || r->end_lba == UINT64_MAX);
    REQUIRE(r->action <= CONF_DENY);
    REQUIRE(r->line >= 1);
    if (r->action == CONF_ENCRYPT) REQUIRE(r->key < c->n_keys);
}

static void check_disk(const struct conf *c, const struct conf_disk *d) {
    static const struct conf_disk_id nobody;
    REQUIRE(d->name[0] != '\0' && memchr(d->name, '\0', sizeof d->name) != NULL);
    REQUIRE(memchr(d->text, '\0', sizeof d->text) != NULL);
    REQUIRE((d->text[0] != '\0') == (d->match == CONF_MATCH_SERIAL || d->match == CONF_MATCH_MODEL));
    REQUIRE(d->match <= CONF_MATCH_PORT && d->dev <= 31 && d->fn <= 7 && d->port <= CONF_PORT_MAX);
    REQUIRE(d->n_ranges >= 1 && d->n_ranges <= CONF_RANGES_MAX);
    for (unsigned i = 0; i < d->n_ranges; i++) {
        const struct conf_range *r = &d->range[i];
        check_range(c, r);
        for (unsigned k = 0; k < i; k++)
            REQUIRE(r->end_lba <= d->range[k].first_lba || d->range[k].end_lba <= r->first_lba);
    }
    (void)conf_disk_match(d, &nobody);
}

static void check_key(const struct conf *c, unsigned key) {
    const struct conf_key *k = &c->key[key];
    bool used = false;
    REQUIRE(k->name[0] != '\0' && memchr(k->name, '\0', sizeof k->name) != NULL);
    REQUIRE(memchr(k->file, '\0', sizeof k->file) != NULL);
    REQUIRE((k->kind == CONF_KEY_HEX) == !k->file[0] && k->kind <= CONF_KEY_LUKS);
    REQUIRE(k->file[0] ? k->n_bytes == 0 : k->n_bytes == 32 || k->n_bytes == 64);
    REQUIRE((k->kind == CONF_KEY_LUKS) == (k->n_unlocks > 0) && k->n_unlocks <= CONF_UNLOCKS_MAX);
    for (unsigned i = 0; i < CONF_UNLOCKS_MAX; i++) {
        const struct conf_unlock *u = &k->unlock[i];
        REQUIRE(memchr(u->file, '\0', sizeof u->file) != NULL);
        REQUIRE((u->file[0] != '\0') == (u->kind == CONF_UNLOCK_KEYFILE));
        REQUIRE(i < k->n_unlocks || u->kind == CONF_UNLOCK_PASSPHRASE);
        for (unsigned n = 0; n < i && i < k->n_unlocks; n++) REQUIRE(strcmp(u->file, k->unlock[n].file) != 0);
    }
    REQUIRE(k->file[0] || memcmp(k->bytes, k->bytes + k->n_bytes / 2, k->n_bytes / 2) != 0);
    for (unsigned d = 0; d < c->n_disks; d++)
        for (unsigned r = 0; r < c->disk[d].n_ranges; r++)
            if (c->disk[d].range[r].action == CONF_ENCRYPT && c->disk[d].range[r].key == key) used = true;
    REQUIRE(used);
}

static void check_conf(const struct conf *c) {
    uint16_t wide[CONF_PATH_MAX + 1];
    REQUIRE(memchr(c->next, '\0', sizeof c->next) != NULL);
    REQUIRE(c->next[0] == '\0' || c->next[0] == '\\');
    REQUIRE(c->next[0] != '\0' || c->next_options[0] == '\0');
    REQUIRE(memchr(c->next_options, '\0', sizeof c->next_options) != NULL);
    REQUIRE(conf_utf16(c->next, wide, CONF_PATH_MAX + 1) <= strlen(c->next));
    REQUIRE(c->drive >= CONF_DRIVE_HD && (c->drive & 0xf) <= 9);
    REQUIRE(c->console >= 1 && c->console <= 3);
    REQUIRE(c->n_disks <= CONF_DISKS_MAX && c->n_keys <= CONF_KEYS_MAX);
    for (unsigned i = 0; i < c->n_disks; i++) check_disk(c, &c->disk[i]);
    for (unsigned i = 0; i < c->n_keys; i++) check_key(c, i);
}

static void check_error(const struct conf_error *e, const char *text, size_t n) {
    unsigned n_lines = 1;
    for (size_t i = 0; i < n; i++) n_lines += text[i] == '\n';
    REQUIRE(e->line >= 1 && e->line <= n_lines);
    REQUIRE(memchr(e->message, '\0', sizeof e->message) != NULL);
    REQUIRE(strstr(e->message, ", expected ") != NULL); /* complete: never cut short before its end */
    REQUIRE(strlen(e->message) < CONF_MESSAGE_MAX - 1);
    for (const char *c = e->message; *c; c++) REQUIRE(*c >= 0x20 && *c < 0x7F);

    char line[512];
    conf_error_format(e, "sekisho.conf", line, sizeof line);
    REQUIRE(strlen(line) < sizeof line - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct conf conf, again;
    struct conf_error error;
    char *text = malloc(size + 1); /* aligned to nothing in particular, and exact at its end */
    memcpy(text + 1, data, size);
    memset(&conf, 0xA5, sizeof conf);
    if (conf_parse(text + 1, size, &conf, &error) == 0) {
        check_conf(&conf);
        REQUIRE(conf_on_error(text + 1, size) == conf.on_error);
        REQUIRE(conf_parse(text + 1, size, &again, &error) == 0);
        REQUIRE(memcmp(&conf, &again, sizeof conf) == 0);
    } else {
        check_error(&error, text + 1, size);
        (void)conf_on_error(text + 1, size);
        conf_wipe(&again);
        REQUIRE(memcmp(&conf, &again, sizeof conf) == 0);
        conf_rescue_next(text + 1, size, &conf);
        REQUIRE(strlen(conf.next) <= CONF_PATH_MAX && strlen(conf.next_options) <= CONF_LINE_MAX);
    }
    free(text);
    return 0;
}
