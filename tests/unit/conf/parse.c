/* Files that are right: each is parsed and shown again in one canonical form. */
#include "conf_test.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static char shown[16384];

static void show(const char *fmt, ...) {
    size_t n = strlen(shown);
    va_list args;
    va_start(args, fmt);
    vsnprintf(shown + n, sizeof shown - n, fmt, args);
    va_end(args);
}

static void show_place(const struct conf_range *r) {
    cr_assert(conf_range_names_partition(r) ? !r->first_lba && !r->end_lba : r->first_lba < r->end_lba);
    if (r->partition)
        show(" partition:%u", r->partition);
    else if (r->partuuid[0])
        show(" partition:%s", r->partuuid);
    else if (r->end_lba == UINT64_MAX)
        show(" %" PRIu64 "<end", r->first_lba);
    else
        show(" %" PRIu64 "<%" PRIu64, r->first_lba, r->end_lba);
}

static void show_disk(const struct conf *c, const struct conf_disk *d) {
    static const char *const action[] = {"clear", "encrypt", "read-only", "deny"};
    show("disk %s@%u ", d->name, d->line);
    switch (d->match) {
    case CONF_MATCH_ANY: show("any"); break;
    case CONF_MATCH_SERIAL: show("serial:%s", d->text); break;
    case CONF_MATCH_MODEL: show("model:%s", d->text); break;
    case CONF_MATCH_PCI: show("pci:%02x:%02x.%x", d->bus, d->dev, d->fn); break;
    case CONF_MATCH_PORT: show("port:%u", d->port); break;
    }
    for (unsigned i = 0; i < d->n_ranges; i++) {
        const struct conf_range *r = &d->range[i];
        show_place(r);
        show(" %s", action[r->action]);
        if (r->action == CONF_ENCRYPT) show(":%s", c->key[r->key].name);
        show("@%u", r->line);
    }
    show("\n");
}

static void show_conf(const struct conf *c) {
    shown[0] = '\0';
    show("[%s][%s] console %u on-error %d", c->next, c->next_options, c->console, c->on_error);
    if (c->drive != CONF_DRIVE_HD) show(" drive %x", c->drive);
    show("\n");
    for (unsigned i = 0; i < c->n_disks; i++) show_disk(c, &c->disk[i]);
    for (unsigned i = 0; i < c->n_keys; i++) {
        show("key %s@%u ", c->key[i].name, c->key[i].line);
        if (c->key[i].kind != CONF_KEY_HEX)
            show("%s:%s", c->key[i].kind == CONF_KEY_LUKS ? "luks" : "file", c->key[i].file);
        for (unsigned k = 0; k < c->key[i].n_unlocks; k++)
            show(c->key[i].unlock[k].kind == CONF_UNLOCK_KEYFILE ? " keyfile:%s" : " passphrase",
                 c->key[i].unlock[k].file);
        for (unsigned k = 0; k < c->key[i].n_bytes; k++) show("%02x", c->key[i].bytes[k]);
        show("\n");
    }
}

#define NOTHING   "[][] console 3 on-error 0\n"
#define KEY_SHOWN "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"

static const struct {
    const char *text, *want;
} cases[] = {
    /* the example of the manual page */
    {"[boot]\n"
     "next     = \\EFI\\debian\\grubx64.efi    # absent: return to whoever started us\n"
     "console  = serial,screen\n"
     "on-error = stop                       # stop | boot-unprotected\n"
     "[disk \"system\"]\n"
     "match    = serial:QM00001             # serial:, model:, pci:00:1f.2, port:N, any\n"
     "range    = 0..2047 clear              # 512-byte units, inclusive\n"
     "range    = 2048..end encrypt:system\n"
     "[key \"system\"]\n"
     "source   = hex:" HEX_32 "\n",
     "[\\EFI\\debian\\grubx64.efi][] console 3 on-error 0\n"
     "disk system@5 serial:QM00001 0<2048 clear@7 2048<end encrypt:system@8\n"
     "key system@9 " KEY_SHOWN "\n"},

    /* nothing */
    {"", NOTHING},
    {"\xEF\xBB\xBF", NOTHING},
    {"\n\r\n  \t\n# only a comment\n   # another\n", NOTHING},
    {"[boot]", NOTHING},
    {"[boot]\n", NOTHING},

    /* line ends, byte order mark, blanks, no end of the last line */
    {"\xEF\xBB\xBF[boot]\r\nconsole=serial\r\n\r\nnext=\\a.efi\r\n", "[\\a.efi][] console 1 on-error 0\n"},
    {"\t[boot]  \n \t console \t=\t serial \t\non-error=boot-unprotected", "[][] console 1 on-error 1\n"},
    {"[boot]\r\non-error = stop\n", NOTHING},

    /* comments: # at the start or after a blank only */
    {"[boot] # here\nnext = \\a#b.efi#c #d # e\n#on-error = boot-unprotected\n",
     "[\\a#b.efi#c][] console 3 on-error 0\n"},
    {"[boot]\nnext = \\a.efi\t# \xC3\xBC\n", "[\\a.efi][] console 3 on-error 0\n"},

    /* [boot] */
    {"[boot]\nconsole = screen\n", "[][] console 2 on-error 0\n"},
    {"[boot]\nconsole = screen , serial\n", NOTHING},
    {"[boot]\nnext = \\\xC3\xBC \xE2\x82\xAC\\\xF0\x9F\x94\x92.efi\n",
     "[\\\xC3\xBC \xE2\x82\xAC\\\xF0\x9F\x94\x92.efi][] console 3 on-error 0\n"},
    {"[boot]\nnext-options = initrd=\\initrd.img root=/dev/sda2 ro  quiet\nnext = \\vmlinuz\n",
     "[\\vmlinuz][initrd=\\initrd.img root=/dev/sda2 ro  quiet] console 3 on-error 0\n"},

    {"[boot]\ndrive = hd0\n", NOTHING},
    {"[boot]\ndrive = hd9\n", "[][] console 3 on-error 0 drive 89\n"},
    {"[boot]\ndrive = cd0\n", "[][] console 3 on-error 0 drive e0\n"},

    /* key files */
    {"[disk \"d\"]\nmatch = any\nrange = 0..end encrypt:k\n[key \"k\"]\nsource = file:A-b_c.9\n",
     NOTHING "disk d@1 any 0<end encrypt:k@3\nkey k@4 file:A-b_c.9\n"},

    /* LUKS headers */
    {DISK_E "[key \"k\"]\nsource = luks:k.luks\n", NOTHING "disk a@1 any 0<end encrypt:k@3\n"
                                                           "key k@4 luks:k.luks passphrase\n"},
    {DISK_E "[key \"k\"]\nunlock = passphrase\nsource = luks:k.luks\n",
     NOTHING "disk a@1 any 0<end encrypt:k@3\nkey k@4 luks:k.luks passphrase\n"},
    {DISK_E "[key \"k\"]\nsource = luks:k.luks\nunlock = keyfile:usb.key\n",
     NOTHING "disk a@1 any 0<end encrypt:k@3\nkey k@4 luks:k.luks keyfile:usb.key\n"},
    {DISK_E "[key \"k\"]\nsource = luks:k.luks\nunlock = keyfile:a ,\tpassphrase,keyfile:b # in this order\n",
     NOTHING "disk a@1 any 0<end encrypt:k@3\nkey k@4 luks:k.luks keyfile:a passphrase keyfile:b\n"},

    /* every match */
    {"[disk \"A-b_c.9\"]\nmatch = any\nrange = 0..0 deny\n", NOTHING "disk A-b_c.9@1 any 0<1 deny@3\n"},
    {"[disk \"d\"]\nmatch = serial: S/N #1=2:x, y\nrange = 5..end read-only\n",
     NOTHING "disk d@1 serial:S/N 5<end read-only@3\n"},
    {"[disk \"d\"]\nmatch = serial:S#1=2:x, y\nrange = 5..end read-only\n",
     NOTHING "disk d@1 serial:S#1=2:x, y 5<end read-only@3\n"},
    {"[disk \"d\"]\nmatch = model:QEMU HARDDISK\nrange = 0..end clear\n",
     NOTHING "disk d@1 model:QEMU HARDDISK 0<end clear@3\n"},
    {"[disk \"d\"]\nmatch = pci:00:1f.2\nrange = 0..end clear\n", NOTHING "disk d@1 pci:00:1f.2 0<end clear@3\n"},
    {"[disk \"d\"]\nmatch = pci:0000:Fe:0A.7\nrange = 0..end clear\n", NOTHING "disk d@1 pci:fe:0a.7 0<end clear@3\n"},
    {"[disk \"d\"]\nmatch = port:07\nrange = 0..end clear\n", NOTHING "disk d@1 port:7 0<end clear@3\n"},

    /* ranges in any order, touching, and blanks within */
    {"[disk \"d\"]\nrange =  20..29 \t deny\nrange = 0..9 clear\nrange = 10..19 read-only\nrange = 30..end clear\n"
     "match = any",
     NOTHING "disk d@1 any 20<30 deny@2 0<10 clear@3 10<20 read-only@4 30<end clear@5\n"},

    /* partitions, among other ranges, which may turn out to overlap; identifiers in any case */
    {"[disk \"d\"]\nrange = 0..end clear\nrange = partition:1 read-only\nrange = partition:002 deny\n"
     "range = partition:A1B2C3D4-0123-4567-89ab-cdefABCDEF01 deny\nrange = partition:00C0FFEE-0A clear\nmatch = any",
     NOTHING "disk d@1 any 0<end clear@2 partition:1 read-only@3 partition:2 deny@4 "
             "partition:a1b2c3d4-0123-4567-89ab-cdefabcdef01 deny@5 partition:00c0ffee-0a clear@6\n"},

    /* a key before its use, in two ranges, and of 64 bytes; keys in the order of their mention */
    {KEY_K "[disk \"d\"]\nmatch = port:0\nrange = 0..9 encrypt:k\nrange = 20..end encrypt:l\n"
           "[disk \"e\"]\nmatch = any\nrange = 0..end encrypt:k\n[boot]\nconsole = serial\n"
           "[key \"l\"]\nsource = hex:" HEX_64 "\n",
     "[][] console 1 on-error 0\n"
     "disk d@3 port:0 0<10 encrypt:k@5 20<end encrypt:l@6\n"
     "disk e@7 any 0<end encrypt:k@9\n"
     "key k@1 " KEY_SHOWN "\n"
     "key l@12 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
     "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210\n"},

    /* disks that differ in their match by anything at all, and any as the last */
    {"[disk \"a\"]\nmatch = serial:X\nrange = 0..end deny\n[disk \"b\"]\nmatch = model:X\nrange = 0..end deny\n"
     "[disk \"c\"]\nmatch = pci:00:00.0\nrange = 0..end deny\n[disk \"d\"]\nmatch = pci:00:00.1\nrange = 0..end deny\n"
     "[disk \"e\"]\nmatch = port:0\nrange = 0..end deny\n[disk \"f\"]\nmatch = port:1\nrange = 0..end deny\n"
     "[disk \"g\"]\nmatch = serial:Y\nrange = 0..end deny\n"
     "[disk \"h\"]\nmatch = any\nrange = 0..end deny\n",
     NOTHING "disk a@1 serial:X 0<end deny@3\ndisk b@4 model:X 0<end deny@6\ndisk c@7 pci:00:00.0 0<end deny@9\n"
             "disk d@10 pci:00:00.1 0<end deny@12\ndisk e@13 port:0 0<end deny@15\ndisk f@16 port:1 0<end deny@18\n"
             "disk g@19 serial:Y 0<end deny@21\ndisk h@22 any 0<end deny@24\n"},
};

Test(conf_parse, right_files) {
    static struct conf conf;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conf_error error = {.line = 77, .message = "untouched"};
        memset(&conf, 0xA5, sizeof conf);
        int err = parse_text(cases[i].text, &conf, &error);
        cr_assert_eq(err, 0, "case %zu, line %u: %s", i, error.line, error.message);
        cr_expect(error.line == 77 && strcmp(error.message, "untouched") == 0);
        show_conf(&conf);
        cr_expect_str_eq(shown, cases[i].want, "case %zu:\n%s", i, shown);
    }
}

/* What does not count in a file does not count in the result either. */
Test(conf_parse, unused_bytes_are_zero) {
    static struct conf a, b;
    struct conf_error error;
    memset(&a, 0xA5, sizeof a);
    cr_assert_eq(parse_text(DISK_A, &a, &error), 0);
    cr_assert_eq(parse_text("\xEF\xBB\xBF[disk \"a\"] # x\r\nmatch=any\r\nrange=0..end clear", &b, &error), 0);
    cr_expect_eq(memcmp(&a, &b, sizeof a), 0);
}

Test(conf_parse, text_is_not_read_past_its_end) {
    static struct conf conf;
    struct conf_error error;
    static const char text[] = "[boot]\nconsole = serial,screen";
    cr_assert_eq(conf_parse(text, sizeof "[boot]\nconsole = serial" - 1, &conf, &error), 0);
    cr_expect_eq(conf.console, CONF_CONSOLE_SERIAL);
}

Test(conf_key_set, takes_what_a_file_holds) {
    uint8_t data[CONF_KEY_MAX + 1];
    struct conf_key key = {.file = "k"};
    const char *why;
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= sizeof data; n++)
        cr_expect_eq(conf_key_set(&key, data, n, &why), n == 32 || n == 64 ? 0 : CONF_E_INVALID, "%zu bytes", n);
    cr_expect_eq(key.n_bytes, 64);
    cr_expect_eq(memcmp(key.bytes, data, 64), 0);
    cr_expect_eq(conf_key_set(&key, data, 32, &why), 0);
    cr_expect_eq(key.n_bytes, 32);
    memcpy(data + 16, data, 16);
    cr_expect_eq(conf_key_set(&key, data, 32, &why), CONF_E_INVALID);
    cr_expect_str_eq(why, "holds a key with two equal halves, expected random bytes");
}
