/* What boot loaders say, of both versions, and what they should not say. */
#include <criterion/criterion.h>
#include <mbi.h>
#include <stdlib.h>
#include <string.h>

#define BASE UINT64_C(0x10000)
#define MB1  0x2badb002u
#define MB2  0x36d76289u

static uint8_t memory[0x20000];
static const struct vmm_range own = {0x100000, 0x50000};
static struct mbi m;
static const char *why;

static bool read_memory(uint64_t at, void *dst, size_t n) {
    if (at < BASE || at - BASE > sizeof memory || n > sizeof memory - (at - BASE)) return false;
    memcpy(dst, memory + (at - BASE), n);
    return true;
}

static void put32(uint64_t at, uint32_t v) { memcpy(memory + (at - BASE), &v, 4); }
static void put_text(uint64_t at, const char *s) { strcpy((char *)memory + (at - BASE), s); }

static int parse(uint32_t magic, uint64_t info) {
    why = NULL;
    memset(&m, 0x5a, sizeof m);
    int r = mbi_parse(magic, (uint32_t)info, own, read_memory, &m, &why);
    cr_assert_eq(r != 0, why != NULL, "a sentence if and only if it fails");
    cr_assert_leq(m.n_modules, MBI_MAX_MODULES);
    return r;
}

/* ---- version 1 ---- */

#define INFO  BASE
#define LIST  (BASE + 0x100)
#define LINES (BASE + 0x1000)

static void module1(unsigned i, uint32_t first, uint32_t end, const char *line) {
    put32(LIST + 16 * i, first);
    put32(LIST + 16 * i + 4, end);
    put32(LIST + 16 * i + 8, (uint32_t)(LINES + 0x100 * i));
    put_text(LINES + 0x100 * i, line);
}

static void build1(uint32_t n) {
    memset(memory, 0, sizeof memory);
    put32(INFO, 0x9); /* memory sizes, modules */
    put32(INFO + 20, n);
    put32(INFO + 24, LIST);
    module1(0, 0x200000, 0x200300, "sekisho.conf");
    module1(1, 0x201000, 0x900001, "http://server/debian/vmlinuz.efi/kernel console=ttyS0  quiet");
    module1(2, 0x901000, 0x901000, "/boot/initrd");
}

Test(multiboot_mbi, version_1) {
    build1(3);
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert(m.n_modules == 3 && !m.has_efi);
    const char *args;
    const struct mbi_module *conf = mbi_find(&m, "sekisho.conf", &args);
    cr_assert(conf == &m.module[0] && conf->base == 0x200000 && conf->n_bytes == 0x300);
    cr_assert_str_empty(args);
    const struct mbi_module *kernel = mbi_find(&m, "kernel", &args);
    cr_assert(kernel == &m.module[1] && kernel->n_bytes == 0x6ff001);
    cr_assert_str_eq(args, "console=ttyS0  quiet");
    const struct mbi_module *initrd = mbi_find(&m, "initrd", NULL);
    cr_assert(initrd == &m.module[2] && initrd->n_bytes == 0);
    cr_assert_null(mbi_find(&m, "vmlinuz", NULL));
    cr_assert_null(mbi_find(&m, "conf", NULL));
    cr_assert_null(mbi_find(&m, "sekisho.conf2", NULL));
    put32(INFO, 1); /* no list */
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert_eq(m.n_modules, 0);
}

Test(multiboot_mbi, the_first_of_a_name) {
    build1(3);
    module1(2, 0x901000, 0x901010, "kernel again");
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert_eq(mbi_find(&m, "kernel", NULL), &m.module[1]);
    module1(0, 0x200000, 0x200300, "");
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert_null(mbi_find(&m, "sekisho.conf", NULL));
}

Test(multiboot_mbi, a_name_behind_the_address) {
    static const struct {
        const char *line, *args; /* NULL: not that module */
    } rows[] = {
        {"kernel", ""},
        {"kernel   a kernel", "a kernel"},
        {"tftp://10.0.0.1/x/kernel a b", "a b"},
        {"http://10.0.0.1/vmlinuz kernel console=ttyS0 quiet", "console=ttyS0 quiet"},
        {"http://10.0.0.1/vmlinuz  kernel", ""},
        {"vmlinuz kernel ", ""},
        {" kernel a", "a"}, /* an empty address */
        {"vmlinuz a kernel", NULL},
        {"vmlinuz /kernel", NULL},
        {"kernel/ a", NULL},
        {"kernels", NULL},
        {"kerne l", NULL},
        {"", NULL},
        {" ", NULL},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *args = NULL;
        build1(1);
        module1(0, 0x200000, 0x200300, rows[i].line);
        cr_assert_eq(parse(MB1, INFO), 0);
        cr_assert_eq(mbi_find(&m, "kernel", &args), rows[i].args ? &m.module[0] : NULL, "row %u", i);
        if (rows[i].args) cr_assert_str_eq(args, rows[i].args, "row %u", i);
    }
}

Test(multiboot_mbi, hostile_modules) {
    static const struct {
        uint32_t first, end;
        bool good;
    } rows[] = {
        {0x200300, 0x201000, true},  {0x2002ff, 0x201000, false}, {0x1ff000, 0x200001, false},
        {0x1ff000, 0x200000, true},  {0x200100, 0x200200, false}, {0x200200, 0x200100, false},
        {0, 0xffffffff, false},      {0xffffffff, 0, false},      {0xfffff000, 0xffffffff, true},
        {0xff000, 0x100001, false},  {0xff000, 0x100000, true},   {0x14ffff, 0x150000, false},
        {0x150000, 0x150001, true},  {0x120000, 0x120000, true}, /* nothing, wherever */
        {0x100000, 0x150000, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build1(2);
        module1(1, rows[i].first, rows[i].end, "x");
        cr_assert_eq(parse(MB1, INFO) == 0, rows[i].good, "row %u", i);
        cr_assert_eq(m.n_modules, rows[i].good ? 2 : 1);
    }
}

Test(multiboot_mbi, how_many) {
    build1(MBI_MAX_MODULES);
    for (unsigned i = 0; i < MBI_MAX_MODULES + 1; i++) module1(i, 0x200000 + i * 0x10, 0x200010 + i * 0x10, "x");
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert_eq(m.n_modules, MBI_MAX_MODULES);
    put32(INFO + 20, MBI_MAX_MODULES + 1);
    cr_assert_neq(parse(MB1, INFO), 0);
    put32(INFO + 20, UINT32_MAX);
    cr_assert_neq(parse(MB1, INFO), 0);
}

Test(multiboot_mbi, where_no_memory_is) {
    cr_assert_neq(parse(MB1, 0), 0);
    cr_assert_neq(parse(MB1, 0xfffffff0), 0);
    build1(3);
    put32(INFO + 24, 0xfffffff8);
    cr_assert_neq(parse(MB1, INFO), 0);
    build1(3);
    put32(LIST + 8, 0);
    cr_assert_neq(parse(MB1, INFO), 0);
}

Test(multiboot_mbi, a_line_without_an_end) {
    build1(3);
    memset(memory + 0x8000, 'a', MBI_LINE_MAX);
    put32(LIST + 8, BASE + 0x8000);
    cr_assert_neq(parse(MB1, INFO), 0);
    memory[0x8000 + MBI_LINE_MAX - 1] = 0;
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert_eq(strlen(m.module[0].line), MBI_LINE_MAX - 1);
    put32(LIST + 8, (uint32_t)(BASE + sizeof memory - 3));
    memset(memory + sizeof memory - 3, 'b', 3);
    cr_assert_neq(parse(MB1, INFO), 0);
}

Test(multiboot_mbi, who_started_us) {
    build1(3);
    cr_assert_neq(parse(0, INFO), 0);
    cr_assert_neq(parse(0x1badb002, INFO), 0);
    cr_assert_eq(m.n_modules, 0);
}

/* ---- version 2 ---- */

static uint64_t next;

static void tag(uint32_t type, uint32_t n_bytes) {
    put32(next, type);
    put32(next + 4, n_bytes);
    next += ((uint64_t)n_bytes + 7) & ~7ull;
    put32(INFO, (uint32_t)(next - INFO));
}

static void module2(uint32_t first, uint32_t end, const char *line) {
    put32(next + 8, first);
    put32(next + 12, end);
    put_text(next + 16, line);
    tag(3, (uint32_t)(16 + strlen(line) + 1));
}

static void build2(void) {
    memset(memory, 0, sizeof memory);
    next = INFO + 8;
    tag(4, 16);
    module2(0x200000, 0x200300, "sekisho.conf");
    tag(6, 100);
    module2(0x201000, 0x900001, "kernel a b");
}

Test(multiboot_mbi, version_2) {
    build2();
    tag(0, 8);
    cr_assert_eq(parse(MB2, INFO), 0);
    cr_assert(m.n_modules == 2 && !m.has_efi);
    const char *args;
    cr_assert_eq(mbi_find(&m, "kernel", &args), &m.module[1]);
    cr_assert_str_eq(args, "a b");
    build2();
    tag(12, 16);
    tag(0, 8);
    cr_assert_eq(parse(MB2, INFO), 0);
    cr_assert(m.has_efi);
    cr_assert_neq(parse(MB2, INFO + 4), 0); /* on 8 bytes, says the specification */
}

Test(multiboot_mbi, a_list_of_tags_cut_anywhere) {
    build2();
    tag(0, 8);
    uint32_t whole = (uint32_t)(next - INFO);
    for (uint32_t n = 0; n < whole; n++) {
        put32(INFO, n);
        cr_assert_neq(parse(MB2, INFO), 0, "%u of %u bytes", n, whole);
    }
    put32(INFO, UINT32_MAX);
    cr_assert_neq(parse(MB2, INFO), 0);
}

Test(multiboot_mbi, tags_of_any_size) {
    static const uint32_t bad[] = {0, 1, 7, 0x7fffffff, 0xfffffff8, UINT32_MAX};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        build2();
        tag(0, 8);
        put32(INFO + 12, bad[i]);
        cr_assert_neq(parse(MB2, INFO), 0, "%u", bad[i]);
    }
    for (uint32_t n = 8; n <= 16; n++) { /* a module's without a line */
        build2();
        tag(3, n);
        tag(0, 8);
        cr_assert_neq(parse(MB2, INFO), 0, "%u", n);
    }
    build2();
    put32(next + 8, 0x900000);
    put32(next + 12, 0x900010);
    put_text(next + 16, "abcdefgh");
    tag(3, 20); /* the line goes on behind the tag */
    tag(0, 8);
    cr_assert_neq(parse(MB2, INFO), 0);
}

/* ---- this program's own line ---- */

Test(multiboot_mbi, own_line) {
    build1(3);
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert_str_empty(m.options);
    put32(INFO, 0xd);
    put32(INFO + 16, BASE + 0x4000);
    put_text(BASE + 0x4000, "http://h/sekisho.elf a=b");
    cr_assert_eq(parse(MB1, INFO), 0);
    cr_assert_str_eq(m.options, "http://h/sekisho.elf a=b");
    memset(memory + 0x4000, 'a', MBI_LINE_MAX);
    cr_assert_neq(parse(MB1, INFO), 0);
    put32(INFO + 16, 4);
    cr_assert_neq(parse(MB1, INFO), 0);

    build2();
    put_text(next + 8, "a=b c");
    tag(1, 14);
    tag(0, 8);
    cr_assert_eq(parse(MB2, INFO), 0);
    cr_assert_str_eq(m.options, "a=b c");
    build2();
    put_text(next + 8, "abcdefgh");
    tag(1, 12); /* it goes on behind the tag */
    tag(0, 8);
    cr_assert_neq(parse(MB2, INFO), 0);
}
