/* see part/part.h: what GPT and MBR have in common. */
#include "table.h"
#include <string.h>

#define TYPE_PROTECTIVE 0xeeu
#define LOGICAL_FIRST   5u

const char *part_error_text(int error) {
    switch ((enum part_error)error) {
    case PART_E_READ: return "the partition table cannot be read";
    case PART_E_NONE: return "there is no partition table";
    case PART_E_HYBRID: return "the MBR of the GPT describes further partitions";
    case PART_E_PROTECTIVE: return "the protective MBR of the GPT does not begin at sector 1";
    case PART_E_HEADER: return "the header of the GPT is damaged";
    case PART_E_LAYOUT: return "the GPT contradicts itself or the size of the disk";
    case PART_E_ENTRIES: return "the GPT has more entries than 256, none, or entries of a strange size";
    case PART_E_ARRAY: return "the entries of the GPT are damaged";
    case PART_E_RECORD: return "the MBR describes a partition without a type";
    case PART_E_EXTENDED: return "the MBR describes more than one extended partition";
    case PART_E_CHAIN: return "the chain of logical partitions is broken";
    case PART_E_RANGE: return "a partition lies where none can be";
    case PART_E_OVERLAP: return "two partitions overlap";
    }
    return "the partition table is not understood";
}

int part_read(const struct part_disk *disk, struct part_table *t, uint64_t lba, uint32_t n_sectors) {
    if (n_sectors > disk->n_sectors || lba > disk->n_sectors - n_sectors) return PART_E_READ;
    return disk->read(disk->ctx, lba, n_sectors, t->buffer) ? 0 : PART_E_READ;
}

char *part_put_hex(char *out, uint64_t v, unsigned n_digits) {
    while (n_digits--) *out++ = "0123456789abcdef"[v >> 4 * n_digits & 0xf];
    return out;
}

/* The protective MBR's four records: the partition of type EEh, and nothing else. *out: whether it is one. */
static int check_protective(const uint8_t *sector, bool *out) {
    unsigned n_used = 0;
    uint32_t first_lba = 0;
    *out = false;
    for (unsigned i = 0; i < 4; i++) {
        struct part_record r = part_mbr_record(sector, i);
        if (r.type == TYPE_PROTECTIVE) {
            *out = true;
            first_lba = r.first_lba;
        }
        if (r.type || r.n_sectors) n_used++;
    }
    if (!*out) return 0;
    if (n_used > 1) return PART_E_HYBRID;
    return first_lba == 1 ? 0 : PART_E_PROTECTIVE;
}

static bool is_mbr(const uint8_t *sector) {
    for (unsigned i = 0; i < 4; i++)
        if (part_mbr_record(sector, i).boot & 0x7f) return false; /* a boot sector's program */
    return part_mbr_signature(sector);
}

static int parse(const struct part_disk *disk, struct part_table *t) {
    bool protective = false;
    int r = part_read(disk, t, 0, 1);
    if (!r && !is_mbr(t->buffer)) r = PART_E_NONE;
    if (!r) r = check_protective(t->buffer, &protective);
    if (r) return r;
    t->scheme = protective ? PART_GPT : PART_MBR;
    return protective ? part_gpt_parse(disk, t) : part_mbr_parse(disk, t);
}

static bool within(const struct part *a, const struct part *b) {
    return a->extended && b->number >= LOGICAL_FIRST && b->first_lba >= a->first_lba &&
           b->first_lba + b->n_sectors <= a->first_lba + a->n_sectors;
}

static int check_places(const struct part_disk *disk, const struct part_table *t) {
    for (unsigned i = 0; i < t->n_parts; i++) {
        const struct part *b = &t->part[i];
        if (!b->first_lba || !b->n_sectors || b->n_sectors > disk->n_sectors ||
            b->first_lba > disk->n_sectors - b->n_sectors)
            return PART_E_RANGE;
        for (unsigned k = 0; k < i; k++) {
            const struct part *a = &t->part[k];
            if (a->first_lba < b->first_lba + b->n_sectors && b->first_lba < a->first_lba + a->n_sectors &&
                !within(a, b))
                return PART_E_OVERLAP;
        }
    }
    return 0;
}

int part_parse(const struct part_disk *disk, struct part_table *out) {
    memset(out, 0, sizeof *out);
    int r = parse(disk, out);
    if (!r) r = check_places(disk, out);
    if (r) memset(out, 0, sizeof *out);
    memset(out->buffer, 0, sizeof out->buffer);
    out->error = r;
    return r;
}
