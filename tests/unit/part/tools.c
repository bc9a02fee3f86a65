/* Tables that sfdisk, sgdisk and parted make in ordinary files, and damage that sgdisk repairs: what is read here is
 * what sfdisk reads. Needs no rights. */
#include <criterion/criterion.h>
#include <part/part.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_SECTORS 200000u

static char folder[] = "/tmp/sekisho-part-XXXXXX";
static FILE *image;
static struct part_table table;

static bool read_image(void *ctx, uint64_t lba, uint32_t n_sectors, void *dst) {
    cr_assert_eq(ctx, image);
    return !fseek(image, (long)(lba * 512), SEEK_SET) && fread(dst, 512, n_sectors, image) == n_sectors;
}

static bool shell(const char *command) {
    char line[2048];
    snprintf(line, sizeof line, "cd %s && export LC_ALL=C.UTF-8 && (%s) >>out 2>&1", folder, command);
    return system(line) == 0;
}

static int parse(void) {
    char path[64];
    snprintf(path, sizeof path, "%s/disk", folder);
    image = fopen(path, "rb");
    cr_assert_not_null(image);
    struct part_disk disk = {read_image, image, N_SECTORS};
    int r = part_parse(&disk, &table);
    fclose(image);
    return r;
}

/* What follows KEY= in a line of sfdisk's, up to a comma, in lower case. "" if it is not there. */
static const char *field(const char *line, const char *key) {
    static char value[64];
    const char *p = strstr(line, key);
    size_t n = 0;
    for (p = p ? p + strlen(key) : ""; *p == ' ' || *p == '0'; p++) continue;
    while (p[n] && p[n] != ',' && p[n] != '\n' && n < sizeof value - 1) n++;
    snprintf(value, sizeof value, "%.*s", (int)n, p);
    for (char *c = value; *c; c++) *c = (char)tolower(*c);
    return value;
}

/* Of the name in quotes, in which other bytes than printable ASCII are written as \xNN. */
static const char *name_of(const char *line) {
    static char name[PART_NAME_BYTES];
    char *out = name;
    const char *p = strstr(line, "name=\"");
    for (p = p ? p + 6 : "\""; *p && *p != '"'; p++) {
        unsigned byte = (unsigned char)*p;
        if (*p == '\\' && sscanf(p, "\\x%2x", &byte) == 1) p += 3;
        *out++ = (char)byte;
    }
    *out = '\0';
    return name;
}

static void compare(const struct part *p, const char *line, const char *signature) {
    char start[24], size[24], id[48];
    snprintf(start, sizeof start, "%" PRIu64, p->first_lba);
    snprintf(size, sizeof size, "%" PRIu64, p->n_sectors);
    cr_assert_eq((unsigned)atoi(line + 4), p->number, "%s", line);
    cr_assert_str_eq(field(line, "start="), start, "%s", line);
    cr_assert_str_eq(field(line, "size="), size, "%s", line);
    cr_assert_str_eq(name_of(line), p->name, "%s", line);
    if (table.scheme == PART_GPT) {
        cr_assert_str_eq(field(line, "type=") + (p->type[0] == '0'), p->type + 2 * (p->type[0] == '0'), "%s", line);
        cr_assert_str_eq(field(line, "uuid="), p->id + strspn(p->id, "0"), "%s", line);
        return;
    }
    cr_assert_eq(strtoul(field(line, "type="), NULL, 16), strtoul(p->type, NULL, 16), "%s", line);
    snprintf(id, sizeof id, "%08lx-%02x", strtoul(signature, NULL, 16), p->number);
    cr_assert_str_eq(id, p->id);
}

/* sfdisk lists what was read, and no more. */
static void expect_as_sfdisk(unsigned n_parts) {
    char path[64], line[512], signature[64] = "";
    unsigned n = 0;
    cr_assert(shell(SFDISK " --dump disk 2>>out >dump"));
    snprintf(path, sizeof path, "%s/dump", folder);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "label-id:", 9)) strcpy(signature, field(line, "label-id: 0x"));
        if (!strncmp(line, "disk", 4) && n < table.n_parts) compare(&table.part[n], line, signature);
        n += !strncmp(line, "disk", 4);
    }
    fclose(f);
    cr_assert_eq(n, n_parts);
    cr_assert_eq(table.n_parts, n_parts);
}

static void clear(void) { cr_assert(shell("rm -f disk && truncate -s 102400000 disk")); }

static void make(const char *command, enum part_scheme scheme, unsigned n_parts) {
    clear();
    cr_assert(shell(command), "%s", command);
    cr_assert_eq(parse(), 0, "%s: %d", command, table.error);
    cr_assert_eq(table.scheme, scheme);
    cr_assert_eq(table.primary_error, 0);
    expect_as_sfdisk(n_parts);
}

static void start(void) { cr_assert_not_null(mkdtemp(folder)); }

static void end(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(part_tools, .init = start, .fini = end);

#define SFDISK_BY(script) "printf '" script "' | " SFDISK " -q disk"

Test(part_tools, gpt) {
    make(SFDISK_BY("label: gpt\\n"), PART_GPT, 0);
    make(SFDISK_BY("label: gpt\\nsize=2048,type=U,name=\"EFI system\"\\nsize=40960\\nstart=100000,type=L\\n"), PART_GPT,
         3);
    make(SFDISK_BY("label: gpt\\ntable-length: 8\\nfirst-lba: 4\\n8: start=4,size=1\\n2: start=2048\\n"), PART_GPT, 2);
    make(SGDISK " -n 3:0:+1M -t 3:ef02 -c 3:'\xf0\x9f\x94\x92 \xc3\xb6' -n 128:0:0 -c "
                "128:123456789012345678901234567890123456 disk",
         PART_GPT, 2);
    make(SGDISK " --resize-table=256 -n 256:0:+1M -n 1:0:+1M disk", PART_GPT, 2);
    make(SGDISK " -o disk && " SGDISK " --adjust-main-table=1000 disk && " SGDISK " -n 1:0:+1M disk", PART_GPT, 1);
    make(PARTED " -s disk mklabel gpt mkpart '\xc3\xb6' ext4 1MiB 2MiB mkpart x fat32 20MiB 100% set 1 boot on "
                "disk_set pmbr_boot on",
         PART_GPT, 2);
}

Test(part_tools, mbr) {
    make(SFDISK_BY("label: dos\\n"), PART_MBR, 0);
    make(SFDISK_BY("label: dos\\nlabel-id: 0x00c0ffee\\nsize=2048,bootable\\nsize=40960,type=c\\n"), PART_MBR, 2);
    make(SFDISK_BY("label: dos\\nsize=2048\\nsize=90000,type=5\\nstart=150000,type=82\\nstart=100000,size=2048\\n"
                   "size=2048\\nsize=10000,type=fd\\nstart=60000,size=200\\n"),
         PART_MBR, 7);
    cr_assert(shell(SFDISK " -q --delete disk 6")); /* in the middle of the chain */
    cr_assert_eq(parse(), 0);
    expect_as_sfdisk(6);
    cr_assert(shell(SFDISK " -q --delete disk 5")); /* at its beginning */
    cr_assert_eq(parse(), 0);
    expect_as_sfdisk(5);
    make(SFDISK_BY("label: dos\\nstart=2048,type=f\\n"), PART_MBR, 1);
    make(PARTED " -s disk mklabel msdos mkpart primary 1MiB 2MiB mkpart extended 2MiB 100% mkpart logical 3MiB 5MiB "
                "mkpart logical 20MiB 30MiB mkpart logical 6MiB 7MiB",
         PART_MBR, 5);
}

Test(part_tools, long_chain) {
    make("(echo label: dos; echo type=5; for i in $(seq 45); do echo size=1000; done) | " SFDISK " -q disk", PART_MBR,
         46);
}

Test(part_tools, hybrid) {
    clear();
    cr_assert(shell(SGDISK " -n 1:0:+1M -n 2:0:+1M -h 1 disk"));
    cr_assert_eq(parse(), PART_E_HYBRID);
}

/* sgdisk uses the backup for the same reasons, and writes the primary anew from it. */
Test(part_tools, damage) {
    static const char *const ways[] = {"seek=512", "seek=700", "seek=1024", "seek=17407"};
    for (unsigned i = 0; i < 4; i++) {
        char command[256];
        clear();
        cr_assert(shell(SGDISK " -n 1:0:+1M -n 2:0:+20M -c 2:root disk"));
        snprintf(command, sizeof command, "printf x | dd of=disk bs=1 conv=notrunc %s", ways[i]);
        cr_assert(shell(command));
        cr_assert_eq(parse(), 0);
        cr_assert_eq(table.primary_error, i == 0 ? PART_E_HEADER : i == 1 ? 0 : PART_E_ARRAY, "%s", ways[i]);
        cr_assert(shell(SGDISK " -e disk"));
        expect_as_sfdisk(2);
        cr_assert_eq(parse(), 0);
        cr_assert_eq(table.primary_error, 0);
    }
}

Test(part_tools, no_table) {
    clear();
    cr_assert_eq(parse(), PART_E_NONE);
    cr_assert(shell(SGDISK " -n 1:0:+1M disk && dd if=/dev/zero of=disk bs=512 count=34 conv=notrunc"));
    cr_assert_eq(parse(), PART_E_NONE); /* a backup alone makes no GPT */
}
