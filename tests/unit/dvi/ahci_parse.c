/* ahci_parse.h, acs_cmd.h and data.h: tables of headers, commands, PRDs, identification data and TRIM ranges, in raw
 * bytes. */
#include <criterion/criterion.h>
#include <string.h>
#include "../../../libdevintercept/src/ahci/ahci_parse.h"
#include "../../../libdevintercept/src/data/data.h"

/* --- command headers --- */

static const struct {
    uint8_t raw[16];
    bool ok;
    uint32_t n_prds, flags;
    uint64_t table;
} headers[] = {
    {{0x05, 0, 0x01, 0, 0, 0, 0, 0, 0x80, 0x10, 0, 0}, true, 1, 0, 0x1080},
    {{0x45, 0, 0xff, 0xff, 9, 9, 9, 9, 0, 0, 0, 0x80, 0x01, 0, 0, 0}, true, 65535, 0x40, 0x180000000},
    {{0x65, 0x05, 0, 0, 0, 0, 0, 0, 0xff, 0x20, 0, 0}, true, 0, 0x560, 0x2080}, /* W A R C; table aligned down */
    {{0x85, 0, 1, 0}, true, 1, 0, 0},                                           /* P is dropped */
    {{0x04, 0, 1, 0}, false, 0, 0, 0},                                          /* FIS too short */
    {{0x06, 0, 1, 0}, false, 0, 0, 0},                                          /* ... too long */
    {{0x00, 0, 1, 0}, false, 0, 0, 0},
    {{0x1f, 0, 1, 0}, false, 0, 0, 0},
    {{0x05, 0x02, 1, 0}, false, 0, 0, 0}, /* BIST */
    {{0x05, 0x10, 1, 0}, false, 0, 0, 0}, /* port multiplier */
    {{0x05, 0x80, 1, 0}, false, 0, 0, 0},
};

Test(ahci_parse, headers) {
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct ahci_header h;
        cr_expect_eq(ahci_header_parse(headers[i].raw, &h), headers[i].ok, "header %zu", i);
        if (!headers[i].ok) continue;
        cr_expect_eq(h.n_prds, headers[i].n_prds, "header %zu: %u PRDs", i, h.n_prds);
        cr_expect_eq(h.flags, headers[i].flags, "header %zu: flags %#x", i, h.flags);
        cr_expect_eq(h.table.v, headers[i].table, "header %zu: table %#lx", i, h.table.v);
    }
}

/* --- commands --- */

#define FIS(...)                                                                                                       \
    { 0x27, 0x80, __VA_ARGS__ }

static const struct {
    const char *name;
    uint8_t fis[20]; /* type, C, command, features, lba 0-2, device, lba 3-5, features 8-15, count, count 8-15 */
    uint32_t flags;
    unsigned slot;
    enum acs_kind kind;
    bool queued;
    uint64_t lba;
    uint32_t n;
    uint32_t out_flags;
} commands[] = {
    {"READ SECTORS", FIS(0x20, 0, 1, 2, 3, 0xe4, 0xaa, 0xbb, 0xcc, 0, 7, 9), 0, 0, ACS_READ, false, 0x4030201, 7, 0},
    {"READ DMA, 256", FIS(0xc8, 0, 0xff, 0xff, 0xff, 0x4f, 0, 0, 0, 0, 0, 1), 0, 0, ACS_READ, false, 0xfffffff, 256, 0},
    {"WRITE DMA", FIS(0xca, 0, 8, 0, 0, 0x40, 0, 0, 0, 0, 0xff), 0, 3, ACS_WRITE, false, 8, 255, 0x40},
    {"WRITE MULTIPLE", FIS(0xc5, 0, 8, 0, 0, 0x40, 0, 0, 0, 0, 2), 0x40, 3, ACS_WRITE, false, 8, 2, 0x40},
    {"READ DMA EXT", FIS(0x25, 0, 1, 2, 3, 0x40, 4, 5, 6, 0, 2, 1), 0, 0, ACS_READ, false, 0x060504030201, 258, 0},
    {"READ EXT, 65536", FIS(0x24, 0, 0, 0, 0, 0x4f), 0, 0, ACS_READ, false, 0, 65536, 0},
    {"READ MULTIPLE EXT", FIS(0x29, 0, 9, 0, 0, 0xe0, 0, 0, 0, 0, 1), 0, 0, ACS_READ, false, 9, 1, 0},
    {"WRITE DMA EXT", FIS(0x35, 0, 9, 0, 0, 0x40, 0, 0, 0x80, 0, 1), 0, 0, ACS_WRITE, false, 0x800000000009, 1, 0x40},
    {"WRITE DMA FUA EXT", FIS(0x3d, 0, 9, 0, 0, 0x40, 0, 0, 0, 0, 1), 0, 0, ACS_WRITE, false, 9, 1, 0x40},
    {"WRITE MULTIPLE FUA", FIS(0xce, 0, 9, 0, 0, 0x40, 0, 0, 0, 0, 1), 0, 0, ACS_WRITE, false, 9, 1, 0x40},
    {"READ VERIFY EXT", FIS(0x42, 0, 9, 0, 0, 0x40, 0, 0, 0, 0, 0, 4), 0, 0, ACS_VERIFY, false, 9, 1024, 0},
    {"READ FPDMA", FIS(0x60, 3, 7, 0, 0, 0xc0, 1, 0, 0, 2, 0xf8), 0, 31, ACS_READ, true, 0x1000007, 515, 0},
    {"WRITE FPDMA, 65536", FIS(0x61, 0, 7, 0, 0, 0x40, 0, 0, 0, 0, 0), 0, 0, ACS_WRITE, true, 7, 65536, 0x40},
    {"WRITE FPDMA, priority", FIS(0x61, 8, 7, 0, 0, 0x40, 0, 0, 0, 0, 8, 0x80), 0, 1, ACS_WRITE, true, 7, 8, 0x40},
    {"another's tag", FIS(0x61, 0, 7, 0, 0, 0x40, 0, 0, 0, 0, 8), 0, 2, ACS_REFUSE, true, 0, 0, 0},
    {"CHS", FIS(0x20, 0, 1, 2, 3, 0xa4, 0, 0, 0, 0, 7), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"CHS, 48 bits", FIS(0x25, 0, 1, 2, 3, 0x00, 0, 0, 0, 0, 7), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"CHS, queued", FIS(0x60, 1, 1, 2, 3, 0x00, 0, 0, 0, 0, 0), 0, 0, ACS_REFUSE, true, 0, 0, 0},
    {"second device", FIS(0x25, 0, 1, 2, 3, 0x50, 0, 0, 0, 0, 7), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"a read with A", FIS(0x25, 0, 1, 0, 0, 0x40, 0, 0, 0, 0, 7), 0x20, 0, ACS_REFUSE, false, 0, 0, 0},
    {"NOP", FIS(0x00), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"FLUSH CACHE EXT", FIS(0xea), 0, 0, ACS_NO_DATA, false, 0, 0, 0},
    {"IDENTIFY", FIS(0xec), 0, 0, ACS_IDENTIFY, false, 0, 0, 0},
    {"IDENTIFY PACKET", FIS(0xa1), 0, 0, ACS_IN, false, 0, 0, 0},
    {"READ LOG EXT", FIS(0x2f, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 1), 0, 0, ACS_IN, false, 0, 0, 0},
    {"WRITE LOG EXT", FIS(0x3f, 0, 0xe0, 0, 0, 0, 0, 0, 0, 0, 1), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SMART READ DATA", FIS(0xb0, 0xd0, 0, 0x4f, 0xc2), 0, 0, ACS_IN, false, 0, 0, 0},
    {"SMART WRITE LOG", FIS(0xb0, 0xd6, 0xe0, 0x4f, 0xc2), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SMART RETURN STATUS", FIS(0xb0, 0xda, 0, 0x4f, 0xc2), 0, 0, ACS_NO_DATA, false, 0, 0, 0},
    {"SET FEATURES, mode", FIS(0xef, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0x46), 0, 0, ACS_NO_DATA, false, 0, 0, 0},
    {"SET FEATURES, vendor", FIS(0xef, 0x44), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SECURITY ERASE", FIS(0xf4), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SECURITY FREEZE", FIS(0xf5), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"DOWNLOAD MICROCODE", FIS(0x92, 7), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SET MAX ADDRESS EXT", FIS(0x37), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SET MAX ADDRESS", FIS(0xf9), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SEND FPDMA", FIS(0x64, 1, 0, 0, 0, 0x40), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"TRUSTED SEND DMA", FIS(0x5f), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"SANITIZE", FIS(0xb4, 0x11), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"WRITE UNCORRECTABLE", FIS(0x45, 0x55, 1, 0, 0, 0x40, 0, 0, 0, 0, 1), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"WRITE STREAM DMA EXT", FIS(0x3a, 0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"READ DMA QUEUED", FIS(0xc7, 1, 1, 0, 0, 0x40), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"vendor", FIS(0xfa), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"TRIM", FIS(0x06, 1, 0, 0, 0, 0x40, 0, 0, 0, 0, 8), 0, 0, ACS_TRIM, false, 0, 8, 0x40},
    {"TRIM of nothing", FIS(0x06, 1, 0, 0, 0, 0x40), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"TRIM too long", FIS(0x06, 1, 0, 0, 0, 0x40, 0, 0, 0, 0, 9), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"TRIM far too long", FIS(0x06, 1, 0, 0, 0, 0x40, 0, 0, 0, 0, 1, 1), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"other DSM", FIS(0x06, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 1), 0x40, 0, ACS_REFUSE, false, 0, 0, 0},
    {"PACKET", FIS(0xa0, 1), 0x20, 0, ACS_PACKET, false, 0, 0, 0x20},
    {"PACKET out", FIS(0xa0, 1), 0x60, 0, ACS_PACKET, false, 0, 0, 0x60},
    {"PACKET without A", FIS(0xa0, 1), 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"software reset",
     {0x27, 0, 0x35, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 1, 0, 0, 4},
     0x500,
     0,
     ACS_CONTROL,
     false,
     0,
     0,
     0x500},
    {"reset of port 15", {0x27, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4}, 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"behind a multiplier", {0x27, 0x81, 0xea}, 0, 0, ACS_REFUSE, false, 0, 0, 0},
    {"not H2D", {0x46, 0x80, 0xea}, 0, 0, ACS_REFUSE, false, 0, 0, 0},
};

Test(ahci_parse, commands) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct ahci_header h = {.n_prds = 1, .flags = commands[i].flags};
        uint32_t flags;
        struct acs_cmd got = ahci_cmd_parse(&h, commands[i].fis, commands[i].slot, &flags);
        cr_expect_eq(got.kind, commands[i].kind, "%s: kind %d", commands[i].name, got.kind);
        cr_expect_eq(got.queued, commands[i].queued, "%s", commands[i].name);
        cr_expect_eq(flags, commands[i].out_flags, "%s: flags %#x", commands[i].name, flags);
        if (commands[i].n == 0) continue;
        cr_expect_eq(got.n_sectors, commands[i].n, "%s: %u sectors", commands[i].name, got.n_sectors);
        cr_expect_eq(got.lba, commands[i].lba, "%s: LBA %#lx", commands[i].name, got.lba);
    }
}

/* What is set is what is read back, and nothing else has changed: not FUA, not priority, not the tag. */
Test(ahci_parse, a_part_of_a_command) {
    static const struct {
        uint8_t opcode, device, count;
        uint64_t lba;
        uint32_t n;
        uint8_t keeps_device, keeps_count;
    } parts[] = {
        {0x20, 0xe5, 9, 0xabcdef1, 1, 0xf0, 0},
        {0xc8, 0x4f, 0, 0, 256, 0xf0, 0},
        {0xca, 0x40, 0, 0x0fffffff, 255, 0xf0, 0},
        {0x25, 0x40, 0, 0xa9b8c7d6e5f4, 512, 0xff, 0},
        {0x35, 0xe0, 0, 0x1234, 65536, 0xff, 0},
        {0x60, 0xc0, 31 << 3, 0xffffffffffff, 1, 0xff, 0xff},
        {0x61, 0x40, 7 << 3, 0x10000000, 513, 0xff, 0xff},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint8_t fis[20] = FIS(parts[i].opcode, 0x11, 0x22, 0x33, 0x44, parts[i].device, 0x55, 0x66, 0x77, 0x88);
        fis[12] = parts[i].count;
        fis[15] = 0x08;
        acs_set_range(fis, parts[i].lba, parts[i].n);
        struct acs_cmd got = acs_cmd_parse(fis, parts[i].count >> 3);
        cr_expect_eq(got.lba, parts[i].lba, "part %zu: %#lx", i, got.lba);
        cr_expect_eq(got.n_sectors, parts[i].n, "part %zu: %u", i, got.n_sectors);
        cr_expect_eq((fis[7] ^ parts[i].device) & parts[i].keeps_device, 0, "part %zu", i);
        cr_expect_eq((fis[12] ^ parts[i].count) & parts[i].keeps_count, 0, "part %zu", i);
        cr_expect_eq(fis[15], 0x08, "part %zu", i);
    }
}

/* --- PRDs --- */

Test(ahci_parse, prds) {
    static const struct {
        uint8_t raw[16];
        uint64_t addr;
        uint32_t n;
    } prds[] = {
        {{0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x01, 0, 0}, 0x1000, 512},
        {{0x01, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x01, 0, 0}, 0x1000, 512}, /* bit 0 is not there */
        {{0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff, 9, 9, 9, 9, 0xff, 0xff, 0xff, 0xff}, 0xffffffff80000000, 4u << 20},
        {{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0, 0, 0x80}, 2, 2},
        {{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0, 0xc0, 0x7f}, 2, 2}, /* an odd count is the next even one */
    };
    for (size_t i = 0; i < sizeof prds / sizeof prds[0]; i++) {
        struct data_prd got = data_prd_parse(prds[i].raw);
        cr_expect_eq(got.addr, prds[i].addr, "PRD %zu: %#lx", i, got.addr);
        cr_expect_eq(got.n_bytes, prds[i].n, "PRD %zu: %u", i, got.n_bytes);
    }
}

/* --- IDENTIFY DEVICE --- */

static void put_string(uint8_t *data, unsigned word, const char *padded) {
    for (unsigned i = 0; padded[i]; i++) data[(2 * word + i) ^ 1] = (uint8_t)padded[i];
}

static void put_word(uint8_t *data, unsigned word, uint16_t value) { memcpy(data + 2 * word, &value, 2); }

Test(ahci_parse, identify) {
    uint8_t data[512] = {0};
    struct dvi_disk_id id = {.port = 3};
    put_string(data, 10, "      QM00001 x\1\177   ");
    put_string(data, 27, "0123456789012345678901234567890123456789");
    put_word(data, 60, 0x5678);
    put_word(data, 61, 0x0234);
    acs_identify_parse(data, &id);
    cr_expect_str_eq(id.serial, "QM00001 x??");
    cr_expect_str_eq(id.model, "0123456789012345678901234567890123456789");
    cr_expect_eq(id.n_sectors, 0x02345678);
    cr_expect_eq(id.sector_bytes, 512);
    cr_expect_eq(id.port, 3);

    put_word(data, 83, 0x0400);
    put_word(data, 100, 0x1111);
    put_word(data, 103, 0x4444);
    put_word(data, 117, 2048);
    acs_identify_parse(data, &id);
    cr_expect_eq(id.n_sectors, 0x4444000000001111);
    cr_expect_eq(id.sector_bytes, 512, "words 117 and 118 do not count yet");
    put_word(data, 106, 0x5000);
    acs_identify_parse(data, &id);
    cr_expect_eq(id.sector_bytes, 4096);
    put_word(data, 106, 0xd000);
    acs_identify_parse(data, &id);
    cr_expect_eq(id.sector_bytes, 512, "the word is not valid");
    put_word(data, 106, 0x6003);
    acs_identify_parse(data, &id);
    cr_expect_eq(id.sector_bytes, 512, "several logical sectors to a physical one");

    memset(data, 0, sizeof data);
    acs_identify_parse(data, &id);
    cr_expect_str_empty(id.serial);
    cr_expect_str_empty(id.model);
}

static uint8_t sum(const uint8_t *data) {
    uint8_t s = 0;
    for (unsigned i = 0; i < 512; i++) s = (uint8_t)(s + data[i]);
    return s;
}

Test(ahci_parse, identify_hides_what_is_refused) {
    static const struct {
        unsigned word;
        uint16_t left;
    } want[] = {{48, 0xfffe}, {77, 0xffbf}, {82, 0xfbfd}, {83, 0xfefc}, {85, 0xfbfd},
                {86, 0xfefc}, {128, 0},     {169, 0},     {206, 0}};
    uint8_t data[512];
    memset(data, 0xff, sizeof data);
    acs_identify_hide(data, true);
    for (unsigned w = 0; w < 256; w++) {
        uint16_t left = 0xffff, got;
        for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
            if (want[i].word == w) left = want[i].left;
        memcpy(&got, data + 2 * w, 2);
        cr_expect_eq(got, left, "word %u: %#x", w, got); /* word 255 has no signature here, so it stays */
    }
    data[510] = 0xa5;
    acs_identify_hide(data, false);
    cr_expect_eq(sum(data), 0);
}

/* --- policies --- */

static const struct dvi_policy policy = {
    .n_ranges = 3,
    .range = {{100, 200, DVI_ENCRYPT, NULL}, {200, 300, DVI_READ_ONLY, NULL}, {400, UINT64_MAX, DVI_DENY, NULL}}};

Test(ahci_parse, ranges) {
    static const struct {
        enum acs_kind kind;
        uint64_t lba, n;
        bool ok;
    } cases[] = {
        {ACS_READ, 0, 400, true},    {ACS_READ, 0, 401, false},        {ACS_READ, 399, 1, true},
        {ACS_READ, 400, 1, false},   {ACS_VERIFY, 0, 300, true},       {ACS_VERIFY, 1000, 1, false},
        {ACS_WRITE, 0, 200, true},   {ACS_WRITE, 0, 201, false},       {ACS_WRITE, 299, 1, false},
        {ACS_WRITE, 300, 100, true}, {ACS_WRITE, 150, 300, false},     {ACS_TRIM, 200, 1, false},
        {ACS_TRIM, 100, 100, true},  {ACS_READ, UINT64_MAX, 1, false}, {ACS_READ, UINT64_MAX - 5, 65536, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(acs_range_ok(&policy, cases[i].kind, cases[i].lba, cases[i].n), cases[i].ok, "case %zu", i);
    cr_expect(acs_range_ok(NULL, ACS_WRITE, 0, 65536));
    cr_expect(!acs_range_ok(NULL, ACS_WRITE, UINT64_MAX - 5, 65536));
}

Test(ahci_parse, trim) {
    uint8_t block[512] = {0};
    const uint64_t entry[] = {UINT64_C(50) << 48 | 100, UINT64_C(1) << 48 | 199, 400 /* unused: length 0 */};
    memcpy(block, entry, sizeof entry);
    cr_expect(acs_trim_ok(block, sizeof block, &policy));
    const uint64_t bad[] = {UINT64_C(2) << 48 | 199, UINT64_C(1) << 48 | 400, UINT64_C(65535) << 48 | 300,
                            UINT64_C(65535) << 48 | 0xffffffffffff};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(block + 504, &bad[i], 8); /* the last entry counts too */
        cr_expect(!acs_trim_ok(block, sizeof block, &policy), "entry %zu", i);
        cr_expect(acs_trim_ok(block, sizeof block, NULL));
        cr_expect(acs_trim_ok(block, 504, &policy), "not the entry behind");
    }
}
