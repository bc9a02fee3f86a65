/* GPT: see part/part.h. */
#include "table.h"
#include <conf/conf.h>
#include <string.h>

#define PRIMARY_LBA 1u

/* UEFI 2.10, table 5.5 "GPT Header" */
#define HEADER_MIN_BYTES 92u
#define SIGNATURE        "EFI PART"
#define REVISION         UINT32_C(0x00010000)
#define REVISION_AT      8u
#define HEADER_BYTES_AT  12u
#define HEADER_CRC_AT    16u
#define MY_LBA_AT        24u
#define ALTERNATE_LBA_AT 32u
#define FIRST_USABLE_AT  40u
#define LAST_USABLE_AT   48u
#define ENTRIES_LBA_AT   72u
#define N_ENTRIES_AT     80u
#define ENTRY_BYTES_AT   84u
#define ENTRIES_CRC_AT   88u

/* Table 5.6 "GPT Partition Entry" */
#define ENTRY_MIN_BYTES 128u
#define ENTRY_TYPE_AT   0u
#define ENTRY_ID_AT     16u
#define ENTRY_FIRST_AT  32u
#define ENTRY_LAST_AT   40u
#define ENTRY_NAME_AT   56u
#define GUID_BYTES      16u
#define NAME_UNITS      36u

struct header {
    uint64_t alternate_lba; /* where the header, if it is sound, says that the other is; else 0 */
    uint64_t first_usable, last_usable, entries_lba;
    uint32_t n_entries, entry_bytes, entries_crc;
};

/* The header is a sound one of this place: all that a checksum and its own place can tell. */
static bool is_sound(uint8_t *h, uint64_t lba) {
    uint32_t n_bytes = (uint32_t)part_le(h + HEADER_BYTES_AT, 4), crc = (uint32_t)part_le(h + HEADER_CRC_AT, 4);
    if (memcmp(h, SIGNATURE, 8) != 0 || part_le(h + REVISION_AT, 4) != REVISION || n_bytes < HEADER_MIN_BYTES ||
        n_bytes > PART_SECTOR_BYTES || part_le(h + MY_LBA_AT, 8) != lba)
        return false;
    memset(h + HEADER_CRC_AT, 0, 4); /* so it is when the checksum is made */
    return part_crc32(0, h, n_bytes) == crc;
}

/* The usable sectors lie on the disk, and neither the header nor the entries are among them. */
static bool fits(const struct header *h, uint64_t lba, uint64_t n_disk_sectors) {
    uint64_t n_bytes = (uint64_t)h->n_entries * h->entry_bytes;
    uint64_t n_sectors = (n_bytes + PART_SECTOR_BYTES - 1) / PART_SECTOR_BYTES;
    if (h->first_usable <= PRIMARY_LBA || h->first_usable > h->last_usable || h->last_usable >= n_disk_sectors ||
        (lba >= h->first_usable && lba <= h->last_usable))
        return false;
    if (n_sectors > n_disk_sectors || h->entries_lba <= PRIMARY_LBA || h->entries_lba > n_disk_sectors - n_sectors)
        return false;
    uint64_t end = h->entries_lba + n_sectors;
    return (end <= h->first_usable || h->entries_lba > h->last_usable) && (lba < h->entries_lba || lba >= end);
}

static int read_header(const struct part_disk *disk, struct part_table *t, uint64_t lba, struct header *out) {
    uint8_t *h = t->buffer;
    *out = (struct header){0};
    int r = part_read(disk, t, lba, 1);
    if (r) return r;
    if (!is_sound(h, lba)) return PART_E_HEADER;
    *out = (struct header){.alternate_lba = part_le(h + ALTERNATE_LBA_AT, 8),
                           .first_usable = part_le(h + FIRST_USABLE_AT, 8),
                           .last_usable = part_le(h + LAST_USABLE_AT, 8),
                           .entries_lba = part_le(h + ENTRIES_LBA_AT, 8),
                           .n_entries = (uint32_t)part_le(h + N_ENTRIES_AT, 4),
                           .entry_bytes = (uint32_t)part_le(h + ENTRY_BYTES_AT, 4),
                           .entries_crc = (uint32_t)part_le(h + ENTRIES_CRC_AT, 4)};
    if (!out->n_entries || out->n_entries > PART_MAX || out->entry_bytes < ENTRY_MIN_BYTES ||
        out->entry_bytes > PART_BUFFER_BYTES || (out->entry_bytes & (out->entry_bytes - 1)))
        return PART_E_ENTRIES;
    return fits(out, lba, disk->n_sectors) ? 0 : PART_E_LAYOUT;
}

/* In text, the first three fields are numbers. Source: UEFI 2.10, appendix A "GUID and Time Formats". */
static void put_guid(char out[PART_ID_BYTES], const uint8_t *guid) {
    static const struct {
        uint8_t n_bytes;
        bool number;
    } fields[] = {{4, true}, {2, true}, {2, true}, {2, false}, {6, false}};
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (i) *out++ = '-';
        if (fields[i].number) out = part_put_hex(out, part_le(guid, fields[i].n_bytes), 2u * fields[i].n_bytes);
        for (unsigned k = 0; k < fields[i].n_bytes && !fields[i].number; k++) out = part_put_hex(out, guid[k], 2);
        guid += fields[i].n_bytes;
    }
    *out = '\0';
}

/* As it stands: whether it may be so is asked once the checksum is known. */
static void take_entry(struct part_table *t, uint32_t number, const uint8_t *e) {
    static const uint8_t unused[GUID_BYTES];
    uint16_t name[NAME_UNITS];
    if (memcmp(e + ENTRY_TYPE_AT, unused, GUID_BYTES) == 0) return;
    struct part *p = &t->part[t->n_parts++];
    *p = (struct part){.number = number, .first_lba = part_le(e + ENTRY_FIRST_AT, 8)};
    p->n_sectors = part_le(e + ENTRY_LAST_AT, 8) - p->first_lba + 1;
    put_guid(p->type, e + ENTRY_TYPE_AT);
    put_guid(p->id, e + ENTRY_ID_AT);
    for (unsigned i = 0; i < NAME_UNITS; i++) name[i] = (uint16_t)part_le(e + ENTRY_NAME_AT + 2 * i, 2);
    (void)conf_utf8_from(name, NAME_UNITS, p->name, sizeof p->name); /* the longest fits */
}

static int read_entries(const struct part_disk *disk, struct part_table *t, const struct header *h) {
    uint32_t n_left = h->n_entries * h->entry_bytes, number = 1, crc = 0;
    uint64_t lba = h->entries_lba;
    t->n_parts = 0;
    while (n_left > 0) {
        uint32_t n = n_left < PART_BUFFER_BYTES ? n_left : PART_BUFFER_BYTES;
        uint32_t n_sectors = (n + PART_SECTOR_BYTES - 1) / PART_SECTOR_BYTES;
        int r = part_read(disk, t, lba, n_sectors);
        if (r) return r;
        crc = part_crc32(crc, t->buffer, n);
        for (uint32_t at = 0; at < n; at += h->entry_bytes) take_entry(t, number++, t->buffer + at);
        lba += n_sectors;
        n_left -= n;
    }
    return crc == h->entries_crc ? 0 : PART_E_ARRAY;
}

static int read_copy(const struct part_disk *disk, struct part_table *t, uint64_t lba, struct header *out) {
    int r = read_header(disk, t, lba, out);
    return r ? r : read_entries(disk, t, out);
}

/* Where the primary, if its header is sound, says that it is, or in the last sector. */
static int read_backup(const struct part_disk *disk, struct part_table *t, struct header *h) {
    const uint64_t places[] = {h->alternate_lba, disk->n_sectors - 1};
    int r = PART_E_HEADER;
    for (unsigned i = 0; i < 2 && r; i++)
        if (places[i] > PRIMARY_LBA && (i == 0 || places[1] != places[0])) r = read_copy(disk, t, places[i], h);
    return r;
}

int part_gpt_parse(const struct part_disk *disk, struct part_table *t) {
    struct header h;
    int r = t->primary_error = read_copy(disk, t, PRIMARY_LBA, &h);
    bool damaged = r == PART_E_READ || r == PART_E_HEADER || r == PART_E_ARRAY;
    if (r && (!damaged || read_backup(disk, t, &h))) return r; /* one that is odd, others may well understand */
    for (unsigned i = 0; i < t->n_parts; i++) {
        const struct part *p = &t->part[i];
        if (p->first_lba < h.first_usable || p->first_lba > h.last_usable || !p->n_sectors ||
            p->n_sectors > h.last_usable - p->first_lba + 1)
            return PART_E_RANGE;
    }
    return 0;
}
