/* MBR: see part/part.h. Logical partitions hang on a chain: each of its boot records, the first at the beginning of the
 * extended partition, describes one partition, counted from the record, and says where the next record is, counted from
 * the beginning of the extended partition. */
#include "table.h"

#define MBR_SIGNATURE_AT 440u /* UniqueMBRDiskSignature */
#define MBR_RECORDS_AT   446u
#define MBR_RECORD_BYTES 16u
#define MBR_MAGIC_AT     510u
#define MBR_MAGIC        0xaa55u

bool part_mbr_signature(const uint8_t *sector) { return part_le(sector + MBR_MAGIC_AT, 2) == MBR_MAGIC; }

struct part_record part_mbr_record(const uint8_t *sector, unsigned i) {
    const uint8_t *p = sector + MBR_RECORDS_AT + i * MBR_RECORD_BYTES;
    return (struct part_record){.boot = p[0],
                                .type = p[4],
                                .first_lba = (uint32_t)part_le(p + 8, 4),
                                .n_sectors = (uint32_t)part_le(p + 12, 4)};
}

static bool is_extended(const struct part_record *r) { return r->type == 0x05 || r->type == 0x0f || r->type == 0x85; }

static int add(struct part_table *t, uint32_t number, uint32_t signature, uint64_t base, const struct part_record *r) {
    if (!r->type) return PART_E_RECORD;
    struct part *p = &t->part[t->n_parts++];
    *p = (struct part){.number = number,
                       .extended = is_extended(r),
                       .first_lba = base + r->first_lba,
                       .n_sectors = r->n_sectors,
                       .type = "0x"};
    part_put_hex(p->type + 2, r->type, 2);
    char *end = part_put_hex(p->id, signature, 8);
    *end++ = '-';
    part_put_hex(end, number, 2);
    return 0;
}

struct chain {
    struct part_table *t;
    uint64_t first_lba, end_lba; /* of the extended partition */
    uint64_t at;                 /* boot record that is looked at; end_lba: there is none */
    uint32_t signature, number;
};

/* The boot record in t->buffer: its partition is added, and the chain is moved on. */
static int take_boot_record(struct chain *c) {
    const uint8_t *sector = c->t->buffer;
    struct part_record data = part_mbr_record(sector, 0), link = part_mbr_record(sector, 1);
    if (part_mbr_record(sector, 2).n_sectors || part_mbr_record(sector, 3).n_sectors ||
        (data.n_sectors && is_extended(&data)) || (link.n_sectors && !is_extended(&link)))
        return PART_E_CHAIN;
    if (data.n_sectors) {
        uint64_t left = c->end_lba - c->at;
        if (!data.first_lba || data.n_sectors > left || data.first_lba > left - data.n_sectors) return PART_E_RANGE;
        int r = add(c->t, c->number++, c->signature, c->at, &data);
        if (r) return r;
    }
    c->at = c->end_lba;
    if (!link.n_sectors) return 0;
    c->at = c->first_lba + link.first_lba;
    return link.first_lba && c->at < c->end_lba ? 0 : PART_E_CHAIN;
}

/* An extended partition that was never written to holds none: so do Linux and fdisk. */
static int walk(const struct part_disk *disk, struct chain *c) {
    for (unsigned n = 0; n < PART_LOGICAL_MAX; n++) {
        int r = part_read(disk, c->t, c->at, 1);
        if (!r && !part_mbr_signature(c->t->buffer)) return n ? PART_E_CHAIN : 0;
        if (!r) r = take_boot_record(c);
        if (r || c->at == c->end_lba) return r;
    }
    return PART_E_CHAIN;
}

int part_mbr_parse(const struct part_disk *disk, struct part_table *t) {
    struct chain c = {.t = t, .signature = (uint32_t)part_le(t->buffer + MBR_SIGNATURE_AT, 4), .number = 5};
    for (unsigned i = 0; i < 4; i++) {
        struct part_record record = part_mbr_record(t->buffer, i);
        if (!record.n_sectors) continue;
        int r = add(t, i + 1, c.signature, 0, &record);
        if (r) return r;
        if (!is_extended(&record)) continue;
        if (c.end_lba) return PART_E_EXTENDED;
        c.at = c.first_lba = record.first_lba;
        c.end_lba = c.first_lba + record.n_sectors;
    }
    if (!c.end_lba) return 0;
    if (!c.first_lba || c.end_lba > disk->n_sectors) return PART_E_RANGE;
    return walk(disk, &c);
}
