/* Any bytes as the first sectors of a disk, and as the last ones in the order of a backup, with signatures and
 * checksums put right where the input asks for it, so that what they guard is reached at all. What is accepted can be
 * used; nothing is read that is not there. */
#include <part/part.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#define EDGE       64u /* sectors at either end */
#define EDGE_BYTES (EDGE * PART_SECTOR_BYTES)
#define N_LARGE    (UINT64_C(1) << 33)

static uint8_t edge[2][EDGE_BYTES];
static struct part_disk disk;
static unsigned n_read;

static uint8_t *sector(uint64_t lba) {
    if (lba < EDGE) return edge[0] + lba * PART_SECTOR_BYTES;
    return disk.n_sectors - lba <= EDGE ? edge[1] + EDGE_BYTES - (disk.n_sectors - lba) * PART_SECTOR_BYTES : NULL;
}

static bool read_disk(void *ctx, uint64_t lba, uint32_t n_sectors, void *dst) {
    (void)ctx;
    CHECK(n_sectors >= 1 && n_sectors <= 8 && n_sectors <= disk.n_sectors && lba <= disk.n_sectors - n_sectors);
    n_read += n_sectors;
    CHECK(n_read <= 6200);
    for (uint8_t *out = dst; n_sectors--; lba++, out += PART_SECTOR_BYTES) {
        memset(out, 0, PART_SECTOR_BYTES);
        if (sector(lba)) memcpy(out, sector(lba), PART_SECTOR_BYTES);
    }
    return true;
}

static uint32_t crc(const uint8_t *p, size_t n) {
    uint32_t c = UINT32_MAX;
    for (; n--; p++)
        for (unsigned bit = 0; bit < 8; bit++) c = c >> 1 ^ (((c ^ (uint32_t)*p >> bit) & 1) ? 0xedb88320 : 0);
    return ~c;
}

static uint64_t get(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

/* Make a header right: all of it, or what the fuzzer is not likely to find. */
static void seal(uint64_t lba, bool all) {
    uint8_t *h = sector(lba);
    const uint32_t revision = 0x10000, header_bytes = 92, n_entries = h[80] % 64 + 1u, entry_bytes = 128;
    const uint64_t last = disk.n_sectors - 34, first = 34, entries = lba == 1 ? 2 : disk.n_sectors - 33;
    memcpy(h, "EFI PART", 8);
    memcpy(h + 8, &revision, 4);
    memcpy(h + 12, &header_bytes, 4);
    memcpy(h + 24, &lba, 8);
    if (all) {
        memcpy(h + 40, &first, 8);
        memcpy(h + 48, &last, 8);
        memcpy(h + 72, &entries, 8);
        memcpy(h + 80, &n_entries, 4);
        memcpy(h + 84, &entry_bytes, 4);
    }
    uint64_t at = get(h + 72, 8), n = get(h + 80, 4) * get(h + 84, 4);
    if (at < EDGE && n <= (EDGE - at) * PART_SECTOR_BYTES) memcpy(h + 88, &(uint32_t){crc(sector(at), n)}, 4);
    if (at >= disk.n_sectors - EDGE && at < disk.n_sectors && n <= (disk.n_sectors - at) * PART_SECTOR_BYTES)
        memcpy(h + 88, &(uint32_t){crc(sector(at), n)}, 4);
    memset(h + 16, 0, 4);
    memcpy(h + 16, &(uint32_t){crc(h, header_bytes)}, 4);
}

/* Boot records everywhere, and indicators that are right. */
static void magic(uint64_t lba) {
    memcpy(sector(lba) + 510, "\x55\xaa", 2);
    for (unsigned i = 0; i < 4; i++) sector(lba)[446 + 16 * i] &= 0x80;
}

static void protective(void) {
    memset(sector(0) + 446, 0, 64);
    magic(0);
    sector(0)[446 + 4] = 0xee;
    sector(0)[446 + 8] = 1;
}

static void check_text(const char *s, size_t n) {
    CHECK(memchr(s, '\0', n));
    for (; *s; s++) CHECK(n != PART_ID_BYTES || (*s > 0x20 && *s < 0x7f));
}

static void check(const struct part_table *t) {
    CHECK(t->scheme == PART_GPT || (t->scheme == PART_MBR && !t->primary_error));
    CHECK(t->n_parts <= PART_MAX);
    for (unsigned i = 0; i < t->n_parts; i++) {
        const struct part *p = &t->part[i];
        CHECK(p->number >= 1 && p->number <= PART_MAX && (!i || p->number > p[-1].number));
        CHECK(p->first_lba >= 1 && p->n_sectors >= 1 && p->n_sectors <= disk.n_sectors &&
              p->first_lba <= disk.n_sectors - p->n_sectors);
        check_text(p->type, sizeof p->type);
        check_text(p->id, sizeof p->id);
        check_text(p->name, sizeof p->name);
        for (unsigned k = 0; k < i; k++) {
            const struct part *q = &t->part[k];
            bool apart = q->first_lba + q->n_sectors <= p->first_lba || p->first_lba + p->n_sectors <= q->first_lba;
            CHECK(apart || (t->scheme == PART_MBR && q->extended && p->number >= 5 && p->first_lba > q->first_lba));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static struct part_table table;
    if (n_bytes < 2) return 0;
    unsigned flags = data[0];
    size_t n = n_bytes - 2 < EDGE_BYTES ? n_bytes - 2 : EDGE_BYTES;
    memset(edge, 0, sizeof edge);
    memcpy(edge[0], data + 2, n);
    memcpy(edge[1] + EDGE_BYTES - PART_SECTOR_BYTES, edge[0] + PART_SECTOR_BYTES, PART_SECTOR_BYTES);
    memcpy(edge[1] + EDGE_BYTES - 33 * PART_SECTOR_BYTES, edge[0] + 2 * PART_SECTOR_BYTES, 32 * PART_SECTOR_BYTES);
    disk = (struct part_disk){.read = read_disk, .n_sectors = flags & 1 ? N_LARGE : 2 * EDGE + 8 * (uint64_t)data[1]};
    n_read = 0;
    for (unsigned i = 0; i < EDGE && (flags & 2); i++) magic(i);
    if (flags & 4) protective();
    if (flags & 8) seal(1, flags & 16);
    if (flags & 32) seal(disk.n_sectors - 1, flags & 64);
    memset(&table, 0xa5, sizeof table);
    int r = part_parse(&disk, &table);
    CHECK(table.error == r && part_error_text(r)[0]);
    if (r) {
        CHECK(table.n_parts == 0 && table.scheme == PART_NO_SCHEME && r >= PART_E_OVERLAP && r <= PART_E_READ);
    } else {
        check(&table);
    }
    return 0;
}
