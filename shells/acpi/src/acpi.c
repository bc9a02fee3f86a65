/* see acpi/acpi.h */
#include <acpi/acpi.h>
#include <string.h>

#define RSDP1_BYTES     20u /* ACPI 1.0's, and what its checksum covers of any */
#define RSDP_BYTES      36u
#define HEADER_BYTES    36u
#define MCFG_ENTRY      16u
#define TABLE_MAX_BYTES 4096u

#define RSDP_ALIGN        16u
#define EBDA_SEGMENT      UINT64_C(0x40e)
#define EBDA_SEARCH_BYTES 1024u
#define ROM_SEARCH_AT     UINT64_C(0xe0000)
#define ROM_SEARCH_BYTES  0x20000u

#define MADT_ENTRIES    44u
#define MADT_LOCAL_APIC 0u
#define MADT_X2APIC     9u
#define MADT_ENABLED    UINT32_C(1)
#define MADT_CAPABLE    UINT32_C(2) /* "Online Capable" */
#define MADT_NO_ID      UINT64_C(0xffffffff)

#define MADT_TELLS_CAPABLE 5u /* the first revision that does: ACPI 6.3 */

#define FADT_MIN_BYTES   116u /* ACPI 1.0's, up to Flags */
#define FADT_DSDT        40u
#define FADT_PM1a_CNT    64u
#define FADT_PM1b_CNT    68u
#define FADT_PM1_CNT_LEN 89u
#define FADT_FLAGS       112u
#define FADT_HW_REDUCED  (UINT32_C(1) << 20)
#define FADT_X_DSDT      140u
#define FADT_X_PM1a_CNT  172u
#define FADT_X_PM1b_CNT  184u
#define GAS_BYTES        12u /* 5.2.3.2 "Generic Address Structure" */
#define GAS_SYSTEM_IO    1u

#define DSDT_MAX_BYTES  (4u << 20)
#define AML_ZERO        0x00u
#define AML_ONE         0x01u
#define AML_NAME        0x08u
#define AML_BYTE_PREFIX 0x0au
#define AML_PACKAGE     0x12u
#define AML_ROOT        0x5cu
#define S5_MAX_BYTES    16u /* of a definition, up to the second element */
#define STEP            (TABLE_MAX_BYTES - S5_MAX_BYTES)

static uint64_t le(const uint8_t *p, unsigned n_bytes) {
    uint64_t v = 0;
    while (n_bytes--) v = v << 8 | p[n_bytes];
    return v;
}

static bool sums_to_zero(const uint8_t *p, size_t n) {
    uint8_t sum = 0;
    while (n--) sum = (uint8_t)(sum + *p++);
    return sum == 0;
}

bool acpi_mcfg_parse(const void *table, size_t n_bytes, struct acpi_ecam *out) {
    const uint8_t *t = table;
    if (n_bytes < HEADER_BYTES + 8 || memcmp(t, "MCFG", 4) || le(t + 4, 4) != n_bytes || !sums_to_zero(t, n_bytes))
        return false;
    for (size_t off = HEADER_BYTES + 8; n_bytes - off >= MCFG_ENTRY && off < n_bytes; off += MCFG_ENTRY) {
        const uint8_t *e = t + off;
        uint64_t base = le(e, 8);
        if (le(e + 8, 2) != 0 || base == 0 || (base & 0xfffff) || e[10] > e[11]) continue;
        *out = (struct acpi_ecam){.base = base, .first_bus = e[10], .last_bus = e[11]};
        return true;
    }
    return false;
}

/* A whole table into buf; its length, 0 if unsound. */
static size_t read_table(uint64_t at, acpi_read_fn *read, uint8_t *buf, size_t max) {
    if (at == 0 || !read(at, buf, HEADER_BYTES)) return 0;
    size_t n = (size_t)le(buf + 4, 4);
    if (n < HEADER_BYTES || n > max || !read(at, buf, n) || le(buf + 4, 4) != n || !sums_to_zero(buf, n)) return 0;
    return n;
}

/* Gives tables to use() until it takes one. */
typedef bool use_fn(const uint8_t *table, size_t n_bytes, void *out);

/* Each table that a root table (n bytes at root) of pointers of such a size names. */
static bool find_in_root(const uint8_t *root, size_t n, unsigned pointer_bytes, acpi_read_fn *read, use_fn *use,
                         void *out) {
    static uint8_t table[TABLE_MAX_BYTES]; /* the firmware's stack is small */
    for (size_t off = HEADER_BYTES; off + pointer_bytes <= n; off += pointer_bytes) {
        size_t m = read_table(le(root + off, pointer_bytes), read, table, sizeof table);
        if (m && use(table, m, out)) return true;
    }
    return false;
}

/* What an RSDP tells, if it is sound: the root table's address, and how long its pointers are; 0 if it is not. The
 * newer one counts where there is one. */
static unsigned root_of(uint64_t rsdp, acpi_read_fn *read, uint64_t *out) {
    uint8_t r[RSDP_BYTES];
    if (rsdp == 0 || !read(rsdp, r, RSDP1_BYTES) || memcmp(r, "RSD PTR ", 8) || !sums_to_zero(r, RSDP1_BYTES)) return 0;
    *out = le(r + 16, 4);
    if (r[15] < 2) return 4;
    if (!read(rsdp, r, RSDP_BYTES) || !sums_to_zero(r, RSDP_BYTES)) return 0;
    if (!le(r + 24, 8)) return 4;
    *out = le(r + 24, 8);
    return 8;
}

static bool find_table(uint64_t rsdp, acpi_read_fn *read, use_fn *use, void *out) {
    static uint8_t root[TABLE_MAX_BYTES];
    uint64_t at;
    unsigned pointer_bytes = root_of(rsdp, read, &at);
    size_t n = pointer_bytes ? read_table(at, read, root, sizeof root) : 0;
    if (n == 0 || memcmp(root, pointer_bytes == 8 ? "XSDT" : "RSDT", 4)) return false;
    return find_in_root(root, n, pointer_bytes, read, use, out);
}

static bool find_rsdp_in(uint64_t base, uint32_t n_bytes, acpi_read_fn *read, uint64_t *out) {
    uint64_t root;
    uint8_t signature[8];
    for (uint64_t at = base; at < base + n_bytes; at += RSDP_ALIGN) {
        if (!read(at, signature, sizeof signature) || memcmp(signature, "RSD PTR ", 8)) continue;
        *out = at;
        if (root_of(at, read, &root)) return true;
    }
    return false;
}

bool acpi_find_rsdp(acpi_read_fn *read, uint64_t *out) {
    uint16_t segment;
    if (read(EBDA_SEGMENT, &segment, sizeof segment) && segment &&
        find_rsdp_in((uint64_t)segment << 4, EBDA_SEARCH_BYTES, read, out))
        return true;
    return find_rsdp_in(ROM_SEARCH_AT, ROM_SEARCH_BYTES, read, out);
}

static bool use_mcfg(const uint8_t *table, size_t n_bytes, void *out) { return acpi_mcfg_parse(table, n_bytes, out); }

bool acpi_find_ecam(uint64_t rsdp, acpi_read_fn *read, struct acpi_ecam *out) {
    return find_table(rsdp, read, use_mcfg, out);
}

/* ---- processors ---- */

/* One entry, of a length that was checked. */
static void count_processor(const uint8_t *e, bool tells_capable, struct acpi_processors *n) {
    uint64_t flags, id;
    if (e[0] == MADT_LOCAL_APIC && e[1] >= 8)
        flags = le(e + 4, 4), id = e[3] == 0xff ? MADT_NO_ID : e[3];
    else if (e[0] == MADT_X2APIC && e[1] >= 16)
        flags = le(e + 8, 4), id = le(e + 4, 4);
    else
        return;
    bool usable = (flags & (MADT_ENABLED | MADT_CAPABLE)) != 0;
    n->n_usable += usable;
    n->n_possible += usable || (!tells_capable && id != MADT_NO_ID);
}

static bool use_madt(const uint8_t *t, size_t n_bytes, void *out) {
    struct acpi_processors *n = out;
    size_t off = MADT_ENTRIES;
    if (n_bytes < MADT_ENTRIES || memcmp(t, "APIC", 4)) return false;
    for (; off + 2 <= n_bytes && t[off + 1] >= 2 && t[off + 1] <= n_bytes - off; off += t[off + 1])
        count_processor(t + off, t[8] >= MADT_TELLS_CAPABLE, n);
    if (off != n_bytes) n->n_possible = 0; /* what else it would name nobody knows */
    return true;
}

struct acpi_processors acpi_count_processors(uint64_t rsdp, acpi_read_fn *read) {
    struct acpi_processors n = {0, 0};
    (void)find_table(rsdp, read, use_madt, &n);
    return n;
}

/* ---- sleep ---- */

/* The port of a register's two fields, 0 if it has none. */
static uint16_t port_of(const uint8_t *t, size_t n_bytes, size_t field, size_t x_field) {
    uint64_t at = le(t + field, 4);
    const uint8_t *gas = t + x_field;
    if (n_bytes >= x_field + GAS_BYTES && gas[0] == GAS_SYSTEM_IO && le(gas + 4, 8)) at = le(gas + 4, 8);
    return at < UINT16_MAX ? (uint16_t)at : 0;
}

bool acpi_fadt_parse(const void *table, size_t n_bytes, struct acpi_fadt *out) {
    const uint8_t *t = table;
    if (n_bytes < FADT_MIN_BYTES || memcmp(t, "FACP", 4) || le(t + 4, 4) != n_bytes || !sums_to_zero(t, n_bytes) ||
        (le(t + FADT_FLAGS, 4) & FADT_HW_REDUCED) || t[FADT_PM1_CNT_LEN] < 2)
        return false;
    out->pm1a = port_of(t, n_bytes, FADT_PM1a_CNT, FADT_X_PM1a_CNT);
    out->pm1b = port_of(t, n_bytes, FADT_PM1b_CNT, FADT_X_PM1b_CNT);
    out->dsdt = n_bytes >= FADT_X_DSDT + 8 ? le(t + FADT_X_DSDT, 8) : 0;
    if (!out->dsdt) out->dsdt = le(t + FADT_DSDT, 4);
    return out->pm1a != 0;
}

static bool use_fadt(const uint8_t *table, size_t n_bytes, void *out) { return acpi_fadt_parse(table, n_bytes, out); }

/* One small integer at *at, before end. */
static bool slp_typ(const uint8_t *p, size_t *at, size_t end, uint8_t *out) {
    if (*at >= end) return false;
    uint8_t v = p[(*at)++];
    if (v == AML_BYTE_PREFIX) {
        if (*at >= end) return false;
        v = p[(*at)++];
    } else if (v != AML_ZERO && v != AML_ONE)
        return false;
    *out = v;
    return v <= 7;
}

/* Whether p defines \_S5_. n_bytes are left of the table, of which p holds at least the first S5_MAX_BYTES. */
static bool is_s5(const uint8_t *p, size_t n_bytes, struct acpi_sleep *out) {
    if (n_bytes < S5_MAX_BYTES - 6 || p[0] != AML_NAME) return false; /* less holds no two elements */
    size_t at = p[1] == AML_ROOT ? 2 : 1;
    if (memcmp(p + at, "_S5_", 4) || p[at + 4] != AML_PACKAGE) return false;
    at += 5;
    size_t n_more = p[at] >> 6;
    if (n_more + 1 >= n_bytes - at) return false;
    size_t length = n_more ? (size_t)(le(p + at + 1, (unsigned)n_more) << 4 | (p[at] & 0xf)) : p[at];
    if (length > n_bytes - at || length < n_more + 2 || (n_more && (p[at] & 0x30))) return false;
    size_t end = at + length;
    at += n_more + 1;
    return p[at++] >= 2 && slp_typ(p, &at, end, &out->s5_pm1a) && slp_typ(p, &at, end, &out->s5_pm1b);
}

/* Pieces overlap, so that a definition lies whole in one of them. */
static bool find_s5(uint64_t dsdt, acpi_read_fn *read, struct acpi_sleep *out) {
    static uint8_t piece[TABLE_MAX_BYTES];
    bool found = false;
    uint8_t sum = 0;
    if (dsdt == 0 || !read(dsdt, piece, HEADER_BYTES) || memcmp(piece, "DSDT", 4)) return false;
    size_t n = (size_t)le(piece + 4, 4);
    if (n < HEADER_BYTES || n > DSDT_MAX_BYTES) return false;
    for (size_t off = 0; off < n; off += STEP) {
        size_t left = n - off, have = left < sizeof piece ? left : sizeof piece;
        memset(piece, 0, sizeof piece);
        if (!read(dsdt + off, piece, have)) return false;
        for (size_t i = 0; i < have && i < STEP; i++) {
            sum = (uint8_t)(sum + piece[i]);
            if (!found && off + i >= HEADER_BYTES) found = is_s5(piece + i, left - i, out);
        }
    }
    return found && sum == 0;
}

bool acpi_find_sleep(uint64_t rsdp, acpi_read_fn *read, struct acpi_sleep *out) {
    struct acpi_fadt fadt;
    if (!find_table(rsdp, read, use_fadt, &fadt) || !find_s5(fadt.dsdt, read, out)) return false;
    out->pm1a = fadt.pm1a;
    out->pm1b = fadt.pm1b;
    return true;
}
