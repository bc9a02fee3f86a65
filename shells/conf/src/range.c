/* range = FIRST..LAST ACTION, or partition:N ACTION */
#include "parser.h"

#include <string.h>

static int parse_sector(struct parser *p, struct span s, uint64_t *out) {
    switch (conf_number(s, CONF_LBA_MAX, out)) {
    case CONF_NUMBER_OK: return 0;
    case CONF_NUMBER_TOO_LARGE: return conf_fail(p, "sector % is too large, expected at most 36028797018963967", s);
    case CONF_NUMBER_BAD: break;
    }
    return conf_fail(p, "% is not a sector number, expected decimal digits", s);
}

static bool has_shape(struct span s, const char *shape) {
    if (s.n != strlen(shape)) return false;
    for (size_t i = 0; i < s.n; i++)
        if (shape[i] == 'x' ? conf_hex_digit(s.p[i]) < 0 : s.p[i] != shape[i]) return false;
    return true;
}

/* What Linux calls PARTUUID: of a GPT, and of an MBR. */
static int parse_partition(struct parser *p, struct span word, struct span s, struct conf_range *range) {
    uint64_t number = 0;
    if (conf_number(s, CONF_PART_MAX, &number) == CONF_NUMBER_OK && number > 0) {
        range->partition = (uint32_t)number;
        return 0;
    }
    if (!has_shape(s, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") && !has_shape(s, "xxxxxxxx-xx"))
        return conf_fail(p, "% is not a partition, expected a number from 1 to 256, a GUID or XXXXXXXX-NN", word);
    for (size_t i = 0; i < s.n; i++)
        range->partuuid[i] = s.p[i] == '-' ? '-' : "0123456789abcdef"[conf_hex_digit(s.p[i])];
    return 0;
}

static int parse_bounds(struct parser *p, struct span word, struct conf_range *range) {
    struct span last = word, first;
    if (!conf_span_split(&last, "..", &first))
        return conf_fail(p, "% is not a range, expected FIRST..LAST, FIRST..end or partition:N", word);
    int err = parse_sector(p, first, &range->first_lba);
    range->end_lba = UINT64_MAX;
    if (err || conf_span_is(last, "end")) return err;

    err = parse_sector(p, last, &range->end_lba);
    if (err) return err;
    if (range->end_lba++ < range->first_lba)
        return conf_fail(p, "range % ends before it begins, expected FIRST not above LAST", word);
    return 0;
}

static int parse_place(struct parser *p, struct span word, struct conf_range *range) {
    struct span partition = word;
    if (conf_span_skip(&partition, "partition:")) return parse_partition(p, word, partition, range);
    return parse_bounds(p, word, range);
}

/* Where a partition lies is not known yet. */
static bool overlap(const struct conf_range *a, const struct conf_range *b) {
    if (conf_range_names_partition(a) || conf_range_names_partition(b))
        return a->partition == b->partition && strcmp(a->partuuid, b->partuuid) == 0;
    return a->first_lba < b->end_lba && b->first_lba < a->end_lba;
}

static int parse_action(struct parser *p, struct span word, struct conf_range *range) {
    static const char *const plain[] = {[CONF_CLEAR] = "clear", [CONF_READ_ONLY] = "read-only", [CONF_DENY] = "deny"};
    struct span key = word;
    if (conf_span_skip(&key, "encrypt:")) {
        int slot = conf_key_slot(p, key);
        if (slot < 0) return slot;
        if (p->used_line[slot] == 0) p->used_line[slot] = p->line;
        range->action = CONF_ENCRYPT;
        range->key = (uint8_t)slot;
        return 0;
    }
    for (unsigned i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (plain[i] == NULL || !conf_span_is(word, plain[i])) continue;
        range->action = (enum conf_action)i;
        return 0;
    }
    return conf_fail(p, "% is not an action, expected clear, encrypt:KEY, read-only or deny", word);
}

int conf_value_range(struct parser *p, struct span value) {
    struct conf_disk *disk = p->disk;
    struct conf_range range = {.line = p->line};

    struct span word = conf_span_word(&value), action = conf_span_word(&value);
    int err = parse_place(p, word, &range);
    if (!err) err = parse_action(p, action, &range);
    if (err) return err;
    if (value.n > 0) return conf_fail(p, "% after the action, expected nothing more", value);

    for (unsigned i = 0; i < disk->n_ranges; i++)
        if (overlap(&range, &disk->range[i]))
            return conf_fail(p, "range % overlaps that of line #, expected each sector in one range of a disk", word,
                             disk->range[i].line);
    if (disk->n_ranges == CONF_RANGES_MAX)
        return conf_fail(p, "range % is one too many, expected at most 16 for a disk", word);
    disk->range[disk->n_ranges++] = range;
    return 0;
}
