/* What a CD says of its boot image. */
#include <criterion/criterion.h>
#include <eltorito.h>
#include <string.h>

static uint8_t sector[ELTORITO_SECTOR_BYTES];
static struct eltorito_image image;

static void put16(unsigned at, unsigned v) {
    sector[at] = (uint8_t)v;
    sector[at + 1] = (uint8_t)(v >> 8);
}

static void checksum(void) {
    unsigned sum = 0;
    put16(28, 0);
    for (unsigned i = 0; i < 32; i += 2) sum += sector[i] | (unsigned)sector[i + 1] << 8;
    put16(28, -sum);
}

static void build(void) {
    memset(sector, 0, sizeof sector);
    sector[0] = 1;
    memcpy(sector + 4, "somebody", 8);
    put16(30, 0xaa55);
    checksum();
    sector[32] = 0x88;
    put16(38, 4);
    put16(40, 0x1234);
    put16(42, 0x5);
}

Test(multiboot_eltorito, the_boot_record) {
    memset(sector, 0, sizeof sector);
    memcpy(sector, "\0CD001\1EL TORITO SPECIFICATION", 30);
    put16(0x47, 0x4321);
    sector[0x49] = 1;
    cr_assert_eq(eltorito_catalog(sector), 0x14321);
    for (unsigned i = 0; i < 30; i++) {
        sector[i] ^= 1;
        cr_assert_eq(eltorito_catalog(sector), 0, "byte %u", i);
        sector[i] ^= 1;
    }
}

Test(multiboot_eltorito, the_first_entry) {
    build();
    cr_assert(eltorito_parse(sector, &image));
    cr_assert(image.lba == 0x51234 && image.n_sectors == 1 && image.segment == 0x7c0);
    put16(34, 0x2000);
    put16(38, 5);
    cr_assert(eltorito_parse(sector, &image) && image.n_sectors == 2 && image.segment == 0x2000);
    put16(38, 0xffff);
    cr_assert(eltorito_parse(sector, &image) && image.n_sectors == 0x4000);
}

Test(multiboot_eltorito, what_is_not_started) {
    static const struct {
        unsigned at;
        uint8_t v;
        bool sum; /* put right again */
    } rows[] = {{0, 2, true},   {1, 1, true},   {1, 0xef, true}, {30, 0x54, true}, {31, 0, true},    {5, 1, false},
                {32, 0, false}, {33, 2, false}, {33, 4, false},  {38, 0, false},   {32, 0x89, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        sector[rows[i].at] = rows[i].v;
        if (rows[i].sum) checksum();
        cr_assert(!eltorito_parse(sector, &image), "row %u", i);
    }
    build();
    put16(40, 0);
    put16(42, 0);
    cr_assert(!eltorito_parse(sector, &image));
}
