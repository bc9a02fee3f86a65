/* range = FIRST..LAST ACTION */
#include "parser.h"

static int parse_sector(struct parser *p, struct span s, uint64_t *out) {
    switch (conf_number(s, CONF_LBA_MAX, out)) {
    case CONF_NUMBER_OK: return 0;
    case CONF_NUMBER_TOO_LARGE: return conf_fail(p, "sector % is too large, expected at most 36028797018963967", s);
    case CONF_NUMBER_BAD: break;
    }
    return conf_fail(p, "% is not a sector number, expected decimal digits", s);
}

static int parse_bounds(struct parser *p, struct span word, struct conf_range *range) {
    struct span last = word, first;
    if (!conf_span_split(&last, "..", &first))
        return conf_fail(p, "% is not a range, expected FIRST..LAST or FIRST..end", word);
    int err = parse_sector(p, first, &range->first_lba);
    range->end_lba = UINT64_MAX;
    if (err || conf_span_is(last, "end")) return err;

    err = parse_sector(p, last, &range->end_lba);
    if (err) return err;
    if (range->end_lba++ < range->first_lba)
        return conf_fail(p, "range % ends before it begins, expected FIRST not above LAST", word);
    return 0;
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
    int err = parse_bounds(p, word, &range);
    if (!err) err = parse_action(p, action, &range);
    if (err) return err;
    if (value.n > 0) return conf_fail(p, "% after the action, expected nothing more", value);

    for (unsigned i = 0; i < disk->n_ranges; i++)
        if (range.first_lba < disk->range[i].end_lba && disk->range[i].first_lba < range.end_lba)
            return conf_fail(p, "range % overlaps that of line #, expected each sector in one range of a disk", word,
                             disk->range[i].line);
    if (disk->n_ranges == CONF_RANGES_MAX)
        return conf_fail(p, "range % is one too many, expected at most 16 for a disk", word);
    disk->range[disk->n_ranges++] = range;
    return 0;
}
