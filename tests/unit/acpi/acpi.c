/* ACPI tables: the chain from the RSDP to the MCFG, as the firmware might build it and as it should not. */
#include <acpi/acpi.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- a firmware's memory ---- */

#define BASE       UINT64_C(0x7ff00000)
#define RSDP       (BASE + 0x10)
#define XSDT       (BASE + 0x100)
#define OTHER      (BASE + 0x1800)
#define MCFG       (BASE + 0x3000)
#define MCFG_BYTES (36u + 8 + 2 * 16)

static uint8_t memory[0x8000];
static unsigned n_reads;
static void (*before_read)(uint64_t at, size_t n_bytes);

static bool read_memory(uint64_t at, void *dst, size_t n_bytes) {
    n_reads++;
    if (before_read) before_read(at, n_bytes);
    if (at < BASE || at - BASE > sizeof memory || n_bytes > sizeof memory - (at - BASE)) return false;
    memcpy(dst, memory + (at - BASE), n_bytes);
    return true;
}

static uint8_t *byte(uint64_t at) { return memory + (at - BASE); }
static void put(uint64_t at, unsigned n_bytes, uint64_t v) { memcpy(byte(at), &v, n_bytes); }

static void sum(uint64_t at, unsigned checksum, size_t n_bytes) {
    uint8_t s = 0;
    *byte(at + checksum) = 0;
    for (size_t i = 0; i < n_bytes; i++) s = (uint8_t)(s + *byte(at + i));
    *byte(at + checksum) = (uint8_t)-s;
}

static void header(uint64_t at, const char *signature, uint32_t n_bytes) {
    memcpy(byte(at), signature, 4);
    put(at + 4, 4, n_bytes);
    sum(at, 9, n_bytes);
}

static void ecam(unsigned i, uint64_t base, unsigned segment, unsigned first, unsigned last) {
    uint64_t at = MCFG + 44 + i * 16;
    put(at, 8, base);
    put(at + 8, 2, segment);
    put(at + 10, 1, first);
    put(at + 11, 1, last);
    put(at + 12, 4, 0);
    header(MCFG, "MCFG", MCFG_BYTES);
}

static void build(void) {
    memset(memory, 0, sizeof memory);
    memcpy(byte(RSDP), "RSD PTR ", 8);
    *byte(RSDP + 15) = 2;
    put(RSDP + 20, 4, 36);
    put(RSDP + 24, 8, XSDT);
    sum(RSDP, 8, 20);
    sum(RSDP, 32, 36);
    put(XSDT + 36, 8, OTHER);
    put(XSDT + 44, 8, MCFG);
    header(XSDT, "XSDT", 52);
    header(OTHER, "FACP", 244);
    ecam(0, 0xe0000000, 1, 0, 255);
    ecam(1, 0xb0000000, 0, 0, 127);
}

static struct acpi_ecam out;
static bool find(void) {
    memset(&out, 0x5a, sizeof out);
    return acpi_find_ecam(RSDP, read_memory, &out);
}

static void expect_found(void) {
    cr_assert(find());
    cr_assert(out.base == 0xb0000000 && out.first_bus == 0 && out.last_bus == 127);
}

/* ---- tests ---- */

Test(acpi, a_sound_chain) {
    build();
    expect_found();
    cr_assert(!acpi_find_ecam(0, read_memory, &out));
    cr_assert(!acpi_find_ecam(0x1000, read_memory, &out));
}

Test(acpi, every_byte_is_under_a_checksum) {
    static const struct {
        uint64_t at;
        size_t n_bytes;
    } rows[] = {{RSDP, 36}, {XSDT, 52}, {MCFG, MCFG_BYTES}};
    for (unsigned i = 0; i < 3; i++)
        for (size_t k = 0; k < rows[i].n_bytes; k++) {
            build();
            *byte(rows[i].at + k) ^= 0x40;
            cr_assert(!find(), "table %u, byte %zu", i, k);
        }
    build();
    *byte(OTHER + 50) ^= 1; /* a broken table that is not ours is passed over */
    expect_found();
}

Test(acpi, old_and_odd_pointers) {
    build();
    *byte(RSDP + 15) = 0; /* ACPI 1.0: no XSDT */
    sum(RSDP, 8, 20);
    sum(RSDP, 32, 36);
    cr_assert(!find());
    build();
    put(RSDP + 24, 8, 0);
    sum(RSDP, 32, 36);
    cr_assert(!find());
    build();
    put(RSDP + 24, 8, UINT64_MAX - 8);
    sum(RSDP, 32, 36);
    cr_assert(!find());
    build();
    header(XSDT, "RSDT", 52);
    cr_assert(!find());
    build();
    put(XSDT + 36, 8, UINT64_MAX); /* entries that lead nowhere are passed over */
    header(XSDT, "XSDT", 52);
    expect_found();
    put(XSDT + 44, 8, 0);
    header(XSDT, "XSDT", 52);
    cr_assert(!find());
}

Test(acpi, lengths) {
    static const uint32_t bad[] = {0, 1, 35, 4097, 0x7fffffff, 0x80000000, UINT32_MAX, UINT32_MAX - 35};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        build();
        put(XSDT + 4, 4, bad[i]);
        cr_assert(!find(), "XSDT of %u bytes", bad[i]);
        build();
        put(MCFG + 4, 4, bad[i]);
        cr_assert(!find(), "MCFG of %u bytes", bad[i]);
    }
    build();
    header(XSDT, "XSDT", 36); /* no entries */
    cr_assert(!find());
    build();
    header(XSDT, "XSDT", 51); /* the last one is cut off */
    cr_assert(!find());
    build();
    put(XSDT + 36, 8, MCFG);
    header(XSDT, "XSDT", 49); /* a piece of an entry behind it */
    expect_found();
    build();
    for (unsigned i = 0; i < 507; i++) put(XSDT + 36 + 8 * i, 8, i == 506 ? MCFG : OTHER); /* 4092 bytes: the largest */
    header(OTHER + 0, "FACP", 36);
    header(XSDT, "XSDT", 4092);
    cr_assert_eq(find(), true);
}

Test(acpi, which_entry_counts) {
    static const struct {
        uint64_t base;
        unsigned segment, first, last;
        bool good;
    } rows[] = {
        {0xb0000000, 0, 0, 255, true},
        {0xb0000000, 0, 5, 5, true},
        {0xb0000000, 0, 6, 5, false},
        {0xb0000000, 1, 0, 255, false},
        {0, 0, 0, 255, false},
        {0xb0001000, 0, 0, 255, false},
        {UINT64_C(0x1000000000), 0, 0, 255, true},
        {0xb0000000, 0x100, 0, 255, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        ecam(1, rows[i].base, rows[i].segment, rows[i].first, rows[i].last);
        cr_assert_eq(find(), rows[i].good, "row %u", i);
        if (rows[i].good)
            cr_assert(out.base == rows[i].base && out.first_bus == rows[i].first && out.last_bus == rows[i].last);
    }
}

/* A table that is truncated to any length is refused or still sound, and is never read beyond its end. */
Test(acpi, truncated) {
    build();
    for (uint32_t n = 0; n < MCFG_BYTES; n++) {
        uint8_t *copy = malloc(n ? n : 1);
        memcpy(copy, byte(MCFG), n);
        cr_assert(!acpi_mcfg_parse(copy, n, &out), "%u", n);
        if (n >= 36) { /* and with a length and checksum to match */
            uint8_t s = 0;
            memcpy(copy + 4, &n, 4);
            copy[9] = 0;
            for (uint32_t i = 0; i < n; i++) s = (uint8_t)(s + copy[i]);
            copy[9] = (uint8_t)-s;
            cr_assert(!acpi_mcfg_parse(copy, n, &out), "%u, resummed", n);
        }
        free(copy);
    }
    cr_assert(acpi_mcfg_parse(byte(MCFG), MCFG_BYTES, &out));
    cr_assert(!acpi_mcfg_parse(byte(MCFG), MCFG_BYTES + 1, &out));
}

static void grow(uint64_t at, size_t n_bytes) {
    if (at == MCFG && n_bytes > 36) put(MCFG + 4, 4, 4096); /* between the header and the rest */
}

Test(acpi, a_length_that_changes_while_it_is_read) {
    build();
    before_read = grow;
    cr_assert(!find());
}

/* ---- sleep ---- */

#define FADT     OTHER
#define DSDT     (BASE + 0x4000)
#define DSDT_MAX (sizeof memory - (DSDT - BASE))
#define S5(...)                                                                                                        \
    ((const uint8_t[]){__VA_ARGS__}), sizeof(uint8_t[]) { __VA_ARGS__ }
#define S5_NAME 0x08, '_', 'S', '5', '_'

static struct acpi_sleep sleep_out;

/* A DSDT of n_bytes with a definition at an offset; cut off where the table ends. */
static void dsdt(uint32_t n_bytes, uint32_t off, const uint8_t *aml, size_t n_aml) {
    memset(byte(DSDT), 0xa4, DSDT_MAX);
    if (off < DSDT_MAX) memcpy(byte(DSDT + off), aml, n_aml < DSDT_MAX - off ? n_aml : DSDT_MAX - off);
    header(DSDT, "DSDT", n_bytes);
}

static void build_sleep(void) {
    build();
    put(FADT + 40, 4, DSDT);
    put(FADT + 64, 4, 0x604);
    put(FADT + 89, 1, 2);
    header(FADT, "FACP", 244);
    dsdt(200, 100, S5(S5_NAME, 0x12, 0x06, 0x04, 0x0a, 5, 0x0a, 6, 0x00, 0x00));
}

static bool find_sleep(void) {
    memset(&sleep_out, 0x5a, sizeof sleep_out);
    return acpi_find_sleep(RSDP, read_memory, &sleep_out);
}

Test(acpi, fadt_fields) {
    static const struct {
        unsigned off, n_bytes, table_bytes;
        uint64_t value;
        unsigned pm1a, pm1b; /* 0: refused */
    } rows[] = {
        {68, 4, 244, 0, 0x604, 0},
        {68, 4, 244, 0x704, 0x604, 0x704},
        {64, 4, 244, 0, 0, 0},
        {64, 4, 244, 0x10000, 0, 0},
        {64, 4, 244, 0xffff, 0, 0},
        {89, 1, 244, 1, 0, 0},
        {89, 1, 244, 4, 0x604, 0},
        {112, 4, 244, 1u << 20, 0, 0}, /* hardware-reduced */
        {112, 4, 244, ~(1u << 20), 0x604, 0},
        {172, 1, 244, 1, 0x604, 0}, /* no address: does not count */
        {40, 4, 116, DSDT, 0x604, 0},
        {40, 4, 115, DSDT, 0, 0},
        {40, 4, 36, DSDT, 0, 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build_sleep();
        put(FADT + rows[i].off, rows[i].n_bytes, rows[i].value);
        header(FADT, "FACP", rows[i].table_bytes);
        cr_assert_eq(find_sleep(), rows[i].pm1a != 0, "row %u", i);
        if (rows[i].pm1a) cr_assert(sleep_out.pm1a == rows[i].pm1a && sleep_out.pm1b == rows[i].pm1b, "row %u", i);
    }
}

Test(acpi, fadt_wide_fields) {
    static const struct {
        unsigned space;
        uint64_t a, b;
        unsigned table_bytes, pm1a, pm1b;
    } rows[] = {
        {1, 0x1804, 0x1904, 244, 0x1804, 0x1904}, {1, 0x1804, 0, 244, 0x1804, 0x704},
        {0, 0x1804, 0x1904, 244, 0x604, 0x704},   {1, 0x1804, 0x1904, 196, 0x1804, 0x1904},
        {1, 0x1804, 0x1904, 195, 0x1804, 0x704},  {1, 0x1804, 0x1904, 183, 0x604, 0x704},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build_sleep();
        put(FADT + 68, 4, 0x704);
        put(FADT + 40, 4, 0x1234);
        put(FADT + 140, 8, DSDT);
        put(FADT + 172, 1, rows[i].space);
        put(FADT + 176, 8, rows[i].a);
        put(FADT + 184, 1, rows[i].space);
        put(FADT + 188, 8, rows[i].b);
        header(FADT, "FACP", rows[i].table_bytes);
        cr_assert(find_sleep(), "row %u", i);
        cr_assert(sleep_out.pm1a == rows[i].pm1a && sleep_out.pm1b == rows[i].pm1b, "row %u", i);
    }
}

Test(acpi, sleep_tables_are_under_checksums) {
    build_sleep();
    cr_assert(find_sleep());
    for (unsigned k = 0; k < 244; k++) {
        build_sleep();
        *byte(FADT + k) ^= 0x40;
        cr_assert(!find_sleep(), "FADT, byte %u", k);
    }
    for (unsigned k = 0; k < 200; k++) {
        build_sleep();
        *byte(DSDT + k) ^= 0x40;
        cr_assert(!find_sleep(), "DSDT, byte %u", k);
    }
}

Test(acpi, forms_of_s5) {
    static const struct {
        uint8_t aml[20];
        int a, b; /* -1: refused */
    } rows[] = {
        {{S5_NAME, 0x12, 6, 4, 0x0a, 5, 0x0a, 7, 0, 0}, 5, 7},
        {{0x08, 0x5c, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0x0a, 7}, 5, 7},
        {{S5_NAME, 0x12, 6, 4, 0, 0, 0, 0}, 0, 0},
        {{S5_NAME, 0x12, 6, 4, 1, 0, 0, 0}, 1, 0},
        {{S5_NAME, 0x12, 4, 2, 0, 1}, 0, 1},
        {{S5_NAME, 0x12, 0x47, 0, 4, 0x0a, 5, 0x0a, 6}, 5, 6},
        {{0x08, 0x5c, '_', 'S', '5', '_', 0x12, 0xcb, 0, 0, 0, 4, 0x0a, 5, 0x0a, 6}, 5, 6},
        {{0x10, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0x0a, 7}, -1, 0}, /* no name */
        {{0x08, '_', 'S', '3', '_', 0x12, 6, 4, 0x0a, 5, 0x0a, 7}, -1, 0}, /* another */
        {{S5_NAME, 0x13, 6, 4, 0x0a, 5, 0x0a, 7}, -1, 0},                  /* no package */
        {{S5_NAME, 0x12, 6, 1, 0x0a, 5, 0x0a, 7}, -1, 0},                  /* one element */
        {{S5_NAME, 0x12, 6, 4, 0x0a, 8, 0x0a, 7}, -1, 0},                  /* SLP_TYP has three bits */
        {{S5_NAME, 0x12, 6, 4, 0x0a, 5, 0x0b, 7}, -1, 0},                  /* not a form of it */
        {{S5_NAME, 0x12, 0, 4, 0x0a, 5, 0x0a, 7}, -1, 0},                  /* lengths that cut it off */
        {{S5_NAME, 0x12, 1, 4, 0x0a, 5, 0x0a, 7}, -1, 0},
        {{S5_NAME, 0x12, 5, 4, 0x0a, 5, 0x0a, 7}, -1, 0},
        {{S5_NAME, 0x12, 0x3f, 4, 0x0a, 5, 0x0a, 7}, 5, 7},        /* within the table */
        {{S5_NAME, 0x12, 0x4f, 0x7f, 4, 0x0a, 5, 0x0a, 7}, -1, 0}, /* and beyond it */
        {{S5_NAME, 0x12, 0x77, 0, 4, 0x0a, 5, 0x0a, 7}, -1, 0},    /* reserved bits */
        {{S5_NAME, 0x12, 0xcf, 0xff, 0xff, 0xff, 4, 0x0a, 5, 0x0a, 7}, -1, 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build_sleep();
        dsdt(200, 100, rows[i].aml, sizeof rows[i].aml);
        cr_assert_eq(find_sleep(), rows[i].a >= 0, "row %u", i);
        if (rows[i].a >= 0) cr_assert(sleep_out.s5_pm1a == rows[i].a && sleep_out.s5_pm1b == rows[i].b, "row %u", i);
    }
}

/* Wherever it lies, at the seams of what is read in pieces too, and cut off by the table's end. */
Test(acpi, place_of_s5) {
    static const uint8_t aml[] = {S5_NAME, 0x12, 6, 4, 0x0a, 5, 0x0a, 7};
    build_sleep();
    for (uint32_t off = 36; off < 8300; off += off < 4000 || (off > 4200 && off < 8100) ? 37 : 1) {
        dsdt(0x2100, off, aml, sizeof aml);
        cr_assert_eq(find_sleep(), off + sizeof aml <= 0x2100, "at %u", off);
    }
    for (uint32_t n = 36; n < 120; n++) {
        dsdt(n, 100, aml, sizeof aml);
        cr_assert_eq(find_sleep(), n >= 100 + sizeof aml, "%u bytes", n);
    }
    static const uint32_t bad[] = {0, 35, (4u << 20) + 1, UINT32_MAX, DSDT_MAX + 1};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        build_sleep();
        put(DSDT + 4, 4, bad[i]);
        cr_assert(!find_sleep(), "%u bytes", bad[i]);
    }
    build_sleep();
    header(DSDT, "SSDT", 200);
    cr_assert(!find_sleep());
}

/* ---- tables of ACPI 1.0 ---- */

#define RSDT (BASE + 0x200)

static void build_old(void) {
    build();
    memset(byte(RSDP), 0, 36);
    memcpy(byte(RSDP), "RSD PTR ", 8);
    put(RSDP + 16, 4, RSDT);
    sum(RSDP, 8, 20);
    put(RSDT + 36, 4, OTHER);
    put(RSDT + 40, 4, MCFG);
    header(RSDT, "RSDT", 44);
    memset(byte(XSDT), 0, 52);
}

Test(acpi, tables_of_1_0) {
    build_old();
    expect_found();
    for (unsigned k = 0; k < 20; k++) {
        build_old();
        *byte(RSDP + k) ^= 0x10;
        cr_assert(!find(), "RSDP, byte %u", k);
    }
    build_old();
    *byte(RSDT + 40) ^= 1;
    cr_assert(!find());
    build_old();
    header(RSDT, "XSDT", 44);
    cr_assert(!find());
}

Test(acpi, a_newer_one_without_an_xsdt) {
    build_old();
    *byte(RSDP + 15) = 2;
    sum(RSDP, 8, 20);
    sum(RSDP, 32, 36);
    expect_found();
    *byte(RSDP + 33) ^= 1; /* under the longer checksum */
    cr_assert(!find());
}

/* ---- the search for the RSDP: a first MiB of its own ---- */

static uint8_t low[0x100000];

static bool read_low(uint64_t at, void *dst, size_t n_bytes) {
    if (at > sizeof low || n_bytes > sizeof low - at) return false;
    memcpy(dst, low + at, n_bytes);
    return true;
}

static void put_rsdp(uint32_t at) {
    uint8_t s = 0;
    memcpy(low + at, "RSD PTR ", 8);
    low[at + 17] = 0x12; /* the RSDT's address */
    low[at + 8] = 0;
    for (unsigned i = 0; i < 20; i++) s = (uint8_t)(s + low[at + i]);
    low[at + 8] = (uint8_t)-s;
}

Test(acpi, where_an_rsdp_is_looked_for) {
    static const struct {
        uint32_t at;
        bool found;
    } rows[] = {{0x9fc00, true}, {0x9fc10, true}, {0x9fff0, true},  {0x9fc08, false}, {0x9fbf0, false}, {0xe0000, true},
                {0xfffe0, true}, {0xf59e0, true}, {0xdfff0, false}, {0xf0004, false}, {0x80000, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t at = 0;
        memset(low, 0, sizeof low);
        low[0x40f] = 0x9f;
        low[0x40e] = 0xc0;
        put_rsdp(rows[i].at);
        cr_assert_eq(acpi_find_rsdp(read_low, &at), rows[i].found, "%x", rows[i].at);
        if (rows[i].found) cr_assert_eq(at, rows[i].at);
        low[rows[i].at + 8] ^= 1;
        cr_assert(!acpi_find_rsdp(read_low, &at));
    }
}

Test(acpi, an_rsdp_that_is_none_is_passed_over) {
    uint64_t at = 0;
    memset(low, 0, sizeof low);
    put_rsdp(0xe0000);
    low[0xe0008] ^= 1;
    put_rsdp(0xf0000);
    cr_assert(acpi_find_rsdp(read_low, &at) && at == 0xf0000);
    low[0x40e] = low[0x40f] = 0xff; /* an EBDA that cannot be */
    cr_assert(acpi_find_rsdp(read_low, &at) && at == 0xf0000);
}

/* ---- processors ---- */

static uint64_t madt_end;

static void madt(uint32_t type, uint32_t n_bytes, unsigned flags_at, uint32_t flags) {
    put(madt_end, 1, type);
    put(madt_end + 1, 1, n_bytes);
    if (flags_at) put(madt_end + flags_at, 4, flags);
    madt_end += n_bytes;
    header(OTHER, "APIC", (uint32_t)(madt_end - OTHER));
}

static void expect(uint32_t n_usable, uint32_t n_possible) {
    struct acpi_processors n = acpi_count_processors(RSDP, read_memory);
    cr_assert(n.n_usable == n_usable && n.n_possible == n_possible, "%u of %u", n.n_usable, n.n_possible);
}

static void revision(uint8_t r) {
    put(OTHER + 8, 1, r);
    header(OTHER, "APIC", (uint32_t)(madt_end - OTHER));
}

Test(acpi, processors) {
    build();
    expect(0, 0); /* no MADT */
    memset(byte(OTHER), 0, 0x200);
    madt_end = OTHER + 44;
    header(OTHER, "APIC", 44);
    expect(0, 0);
    madt(0, 8, 4, 1);
    madt(1, 12, 0, 0); /* an I/O APIC */
    madt(0, 8, 4, 0);  /* not there */
    madt(0, 8, 4, 2);
    madt(9, 16, 8, 1);
    madt(9, 16, 8, 4);
    revision(4);
    expect(3, 5); /* one that is not there now might come */
    revision(5);
    expect(3, 3);
    madt(0, 8, 4, 0);
    put(madt_end - 5, 1, 0xff); /* no id */
    madt(9, 16, 8, 0);
    put(madt_end - 12, 4, 0xffffffff);
    revision(4);
    expect(3, 5);
    revision(3);
    madt(0, 6, 0, 0); /* too short to tell */
    expect(3, 5);
    madt(0, 8, 4, 1);
    put(madt_end - 7, 1, 9); /* longer than the table */
    header(OTHER, "APIC", (uint32_t)(madt_end - OTHER));
    expect(3, 0);
    put(madt_end - 7, 1, 0); /* one that never ends */
    header(OTHER, "APIC", (uint32_t)(madt_end - OTHER));
    expect(3, 0);
    *byte(OTHER + 20) ^= 1;
    expect(0, 0);
}
