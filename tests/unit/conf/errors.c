/* Files that are wrong: the exact line and message of each. */
#include "conf_test.h"

#include <criterion/criterion.h>

#define D    "[disk \"d\"]\nmatch = any\n" /* a range follows, in line 3 */
#define M    "[disk \"d\"]\nmatch = "      /* a match follows, in line 2 */
#define K    "[key \"k\"]\n"               /* its settings follow, in line 2 */
#define B    "[boot]\n"
#define MORE "\n[boot]\nbroken\n" /* never reached */

#define MATCH_RULE  "expected serial:TEXT, model:TEXT, pci:ADDRESS, port:N or any"
#define RANGE_RULE  "expected FIRST..LAST ACTION, FIRST..end ACTION or partition:N ACTION"
#define PLACE_RULE  "expected FIRST..LAST, FIRST..end or partition:N"
#define PART_RULE   "expected a number from 1 to 256, a GUID or XXXXXXXX-NN"
#define GUID        "a1b2c3d4-0123-4567-89ab-cdefABCDEF01"
#define ACTION_RULE "expected clear, encrypt:KEY, read-only or deny"
#define NAME_RULE   "expected 1 to 32 of A-Z a-z 0-9 . _ -"
#define SECTIONS    "expected [boot], [disk \"NAME\"] or [key \"NAME\"]"
#define PCI_RULE    "expected pci:BUS:DEVICE.FUNCTION such as pci:00:1f.2"
#define TEXT_20     "expected serial: and 1 to 20 printable ASCII characters"
#define PORT_RULE   "expected port: and a number from 0 to 31"
#define PATH_RULE   "expected a path with backslashes such as \\EFI\\debian\\grubx64.efi"
#define FILE_RULE   "expected 1 to 64 of A-Z a-z 0-9 . _ -"
#define DRIVE_RULE  "expected hd0 to hd9 or cd0 to cd9"
#define UNLOCK_RULE "expected passphrase, keyfile: and a name, or several with commas between"
#define SOURCE_RULE "expected luks: or file: and a name, or hex: and 64 or 128 hexadecimal digits"

static const struct {
    const char *text;
    unsigned line;
    const char *message;
} cases[] = {
    /* text */
    {"\xFF\xFE[", 1, "byte 1 of the line is not UTF-8, expected a file saved as UTF-8"},
    {"\n# \xC3(" MORE, 2, "byte 3 of the line is not UTF-8, expected a file saved as UTF-8"},
    {"#\xC3\xBC\xED\xA0\x80", 1, "byte 4 of the line is not UTF-8, expected a file saved as UTF-8"},
    {"# \x07", 1, "byte 3 of the line is a control character, expected text ended by LF or CR LF"},
    {"#\x1F\n", 1, "byte 2 of the line is a control character, expected text ended by LF or CR LF"},
    {"#\x7F\n", 1, "byte 2 of the line is a control character, expected text ended by LF or CR LF"},
    {"\n\n[boot]\r", 3, "byte 7 of the line is a control character, expected text ended by LF or CR LF"},
    {"[boot]\rnext = \\a\r", 1, "byte 7 of the line is a control character, expected text ended by LF or CR LF"},
    {"[boot]\r\r\n", 1, "byte 7 of the line is a control character, expected text ended by LF or CR LF"},

    /* lines */
    {"\nnext" MORE, 2, "no \"=\" after \"next\", expected NAME = VALUE or a section in brackets"},
    {B "include other.conf\n", 2, "no \"=\" after \"include\", expected NAME = VALUE or a section in brackets"},
    {K "00112233" MORE, 2, "no \"=\" in the line, expected source = hex:DIGITS"},
    {"next = \\a" MORE, 1, "\"next\" stands before any section, " SECTIONS},
    {"= x" MORE, 1, "\"\" stands before any section, " SECTIONS},
    {B "\xEF\xBB\xBF= \\a\n", 2,
     "unknown setting \"?\" in [boot], expected next, next-options, drive, console or on-error"},
    {B "drive = hd\n", 2, "\"hd\" is not a value for drive, " DRIVE_RULE},
    {B "drive = hd10\n", 2, "\"hd10\" is not a value for drive, " DRIVE_RULE},
    {B "drive = fd0\n", 2, "\"fd0\" is not a value for drive, " DRIVE_RULE},
    {B "drive = cd:\n", 2, "\"cd:\" is not a value for drive, " DRIVE_RULE},
    {B "Next = \\a\n", 2,
     "unknown setting \"Next\" in [boot], expected next, next-options, drive, console or on-error"},
    {B "match = any\n", 2,
     "unknown setting \"match\" in [boot], expected next, next-options, drive, console or on-error"},
    {B "= \\a\n", 2, "unknown setting \"\" in [boot], expected next, next-options, drive, console or on-error"},
    {D "gr\xC3\xB6\xC3\x9F"
       "e\t= 1\n",
     3, "unknown setting \"gr??e\" in [disk], expected match or range"},
    {D "a\tb = 1\n", 3, "unknown setting \"a?b\" in [disk], expected match or range"},
    {D "source = hex:" HEX_32, 3, "unknown setting \"source\" in [disk], expected match or range"},
    {K "00112233==\n", 2, "unknown setting in [key], expected source or unlock"},
    {B "console = serial\n\nconsole = serial\n", 4, "console is set in line 2 already, expected it once in a section"},
    {D "match = any\n", 3, "match is set in line 2 already, expected it once in a section"},
    {K "source = hex:" HEX_32 "\nsource = hex:" HEX_32, 3,
     "source is set in line 2 already, expected it once in a section"},
    {B "next =\n", 2, "next has no value, " PATH_RULE},
    {B "next = # \\a\n", 2, "next has no value, " PATH_RULE},
    {B "next-options=", 2, "next-options has no value, expected the load options of the next loader"},
    {B "console =", 2, "console has no value, expected serial, screen or serial,screen"},
    {B "on-error = ", 2, "on-error has no value, expected stop or boot-unprotected"},
    {M "\n", 2, "match has no value, " MATCH_RULE},
    {D "range =\n", 3, "range has no value, " RANGE_RULE},
    {K "source =", 2, "source has no value, " SOURCE_RULE},

    /* sections */
    {"[boot" MORE, 1, "\"[boot\" is not a section, " SECTIONS},
    {"[]" MORE, 1, "\"[]\" is not a section, " SECTIONS},
    {"[" MORE, 1, "\"[\" is not a section, " SECTIONS},
    {"[Boot]" MORE, 1, "\"[Boot]\" is not a section, " SECTIONS},
    {"[ boot ]" MORE, 1, "\"[ boot ]\" is not a section, " SECTIONS},
    {"[boot] next = \\a" MORE, 1, "\"[boot] next = \\a\" is not a section, " SECTIONS},
    {"[boot \"x\"]" MORE, 1, "\"[boot \"x\"]\" is not a section, " SECTIONS},
    {"[nic \"x\"]" MORE, 1, "\"[nic \"x\"]\" is not a section, " SECTIONS},
    {"[disk]" MORE, 1, "\"[disk]\" is not a section, " SECTIONS},
    {"[disk system]" MORE, 1, "\"[disk system]\" is not a section, " SECTIONS},
    {"[disk \"]" MORE, 1, "\"[disk \"]\" is not a section, " SECTIONS},
    {"[disk \"a]" MORE, 1, "\"[disk \"a]\" is not a section, " SECTIONS},
    {"[key 'a']" MORE, 1, "\"[key 'a']\" is not a section, " SECTIONS},
    {"[disk \"\"]" MORE, 1, "\"\" is not a name, " NAME_RULE},
    {"[disk \"a b\"]" MORE, 1, "\"a b\" is not a name, " NAME_RULE},
    {"[disk \"a\"b\"]" MORE, 1, "\"a\"b\" is not a name, " NAME_RULE},
    {"[key \"\xC3\xA4\"]" MORE, 1, "\"?\" is not a name, " NAME_RULE},
    {B B MORE, 2, "the same section is in line 1 already, expected each section once"},
    {DISK_A DISK_A MORE, 4, "the same section is in line 1 already, expected each section once"},
    {KEY_K "\n" KEY_K MORE, 4, "the same section is in line 1 already, expected each section once"},
    {"\n[disk \"d\"]\nrange = 0..end clear\n" MORE, 2, "[disk] without match, " MATCH_RULE},
    {"\n[disk \"d\"]\nmatch = any\n", 2, "[disk] without range, " RANGE_RULE},
    {"\n[disk \"d\"]\n", 2, "[disk] without match, " MATCH_RULE},
    {"\n[key \"k\"]\n" MORE, 2, "[key] without source, " SOURCE_RULE},
    {B "next-options = quiet\nconsole = serial\n" DISK_A MORE, 2,
     "next-options without next, expected both or neither"},
    {B "next-options = quiet\n", 2, "next-options without next, expected both or neither"},

    /* [boot] */
    {B "next = EFI\\a.efi" MORE, 2, "\"EFI\\a.efi\" is not a value for next, " PATH_RULE},
    {B "next = /EFI/a.efi" MORE, 2, "\"/EFI/a.efi\" is not a value for next, " PATH_RULE},
    {B "next = \\EFI/a.efi" MORE, 2, "\"\\EFI/a.efi\" is not a value for next, " PATH_RULE},
    {B "next = \"\\a\"" MORE, 2, "\"\"\\a\"\" is not a value for next, " PATH_RULE},
    {B "console = vga" MORE, 2, "\"vga\" is not a value for console, expected serial, screen or serial,screen"},
    {B "console = serial screen" MORE, 2,
     "\"serial screen\" is not a value for console, expected serial, screen or serial,screen"},
    {B "console = serial," MORE, 2, "\"\" is not a value for console, expected serial, screen or serial,screen"},
    {B "console = serial,screen, serial" MORE, 2, "console \"serial\" is named twice, expected each once"},
    {B "on-error = continue" MORE, 2, "\"continue\" is not a value for on-error, expected stop or boot-unprotected"},
    {B "on-error = Stop" MORE, 2, "\"Stop\" is not a value for on-error, expected stop or boot-unprotected"},

    /* match */
    {M "all" MORE, 2, "\"all\" is not a value for match, " MATCH_RULE},
    {M "any:" MORE, 2, "\"any:\" is not a value for match, " MATCH_RULE},
    {M "serial" MORE, 2, "\"serial\" is not a value for match, " MATCH_RULE},
    {M "serial:" MORE, 2, "\"serial:\" is not a value for match, " TEXT_20},
    {M "serial: # x" MORE, 2, "\"serial:\" is not a value for match, " TEXT_20},
    {M "serial:\xC3\xA4" MORE, 2, "\"serial:?\" is not a value for match, " TEXT_20},
    {M "serial:a\tb" MORE, 2, "\"serial:a?b\" is not a value for match, " TEXT_20},
    {M "model:" MORE, 2, "\"model:\" is not a value for match, expected model: and 1 to 40 printable ASCII characters"},
    {M "pci:0:1f.2" MORE, 2, "\"pci:0:1f.2\" is not a value for match, " PCI_RULE},
    {M "pci:00:20.0" MORE, 2, "\"pci:00:20.0\" is not a value for match, " PCI_RULE},
    {M "pci:00:1f.8" MORE, 2, "\"pci:00:1f.8\" is not a value for match, " PCI_RULE},
    {M "pci:00:1g.0" MORE, 2, "\"pci:00:1g.0\" is not a value for match, " PCI_RULE},
    {M "pci:00.1f:0" MORE, 2, "\"pci:00.1f:0\" is not a value for match, " PCI_RULE},
    {M "pci:00:1f.2 "
       "x" MORE,
     2, "\"pci:00:1f.2 x\" is not a value for match, " PCI_RULE},
    {M "pci:0001:00:1f.2" MORE, 2, "\"pci:0001:00:1f.2\" is not a value for match, " PCI_RULE},
    {M "port:" MORE, 2, "\"port:\" is not a value for match, " PORT_RULE},
    {M "port:32" MORE, 2, "\"port:32\" is not a value for match, " PORT_RULE},
    {M "port:-1" MORE, 2, "\"port:-1\" is not a value for match, " PORT_RULE},
    {M "port:0x1" MORE, 2, "\"port:0x1\" is not a value for match, " PORT_RULE},
    {M "port:1,port:2" MORE, 2, "\"port:1,port:2\" is not a value for match, " PORT_RULE},

    /* range */
    {D "range = 5 clear" MORE, 3, "\"5\" is not a range, " PLACE_RULE},
    {D "range = 0-9 clear" MORE, 3, "\"0-9\" is not a range, " PLACE_RULE},
    {D "range = 0 .. 9 clear" MORE, 3, "\"0\" is not a range, " PLACE_RULE},
    {D "range = ..9 clear" MORE, 3, "\"\" is not a sector number, expected decimal digits"},
    {D "range = 0.. clear" MORE, 3, "\"\" is not a sector number, expected decimal digits"},
    {D "range = 0...9 clear" MORE, 3, "\".9\" is not a sector number, expected decimal digits"},
    {D "range = 0x10..0x20 clear" MORE, 3, "\"0x10\" is not a sector number, expected decimal digits"},
    {D "range = 0..2k clear" MORE, 3, "\"2k\" is not a sector number, expected decimal digits"},
    {D "range = 0..-1 clear" MORE, 3, "\"-1\" is not a sector number, expected decimal digits"},
    {D "range = 0..End clear" MORE, 3, "\"End\" is not a sector number, expected decimal digits"},
    {D "range = end..9 clear" MORE, 3, "\"end\" is not a sector number, expected decimal digits"},
    {D "range = 10..9 clear" MORE, 3, "range \"10..9\" ends before it begins, expected FIRST not above LAST"},
    {D "range = 0..9" MORE, 3, "\"\" is not an action, " ACTION_RULE},
    {D "range = 0..9 readonly" MORE, 3, "\"readonly\" is not an action, " ACTION_RULE},
    {D "range = 0..9 clear,deny" MORE, 3, "\"clear,deny\" is not an action, " ACTION_RULE},
    {D "range = 0..9 encrypt" MORE, 3, "\"encrypt\" is not an action, " ACTION_RULE},
    {D "range = 0..9 encrypt: system" MORE, 3, "\"\" is not a name, " NAME_RULE},
    {D "range = 0..9 encrypt:\"k\"" MORE, 3, "\"\"k\"\" is not a name, " NAME_RULE},
    {D "range = 0..9 clear deny it" MORE, 3, "\"deny it\" after the action, expected nothing more"},
    {D "range = 5..9 clear\nrange = 9..10 clear" MORE, 4,
     "range \"9..10\" overlaps that of line 3, expected each sector in one range of a disk"},
    {D "range = 5..9 clear\nrange = 0..5 clear" MORE, 4,
     "range \"0..5\" overlaps that of line 3, expected each sector in one range of a disk"},
    {D "range = 5..9 clear\nrange = 20..end deny\nrange = 30..30 deny" MORE, 5,
     "range \"30..30\" overlaps that of line 4, expected each sector in one range of a disk"},
    {D "range = 5..9 clear\nrange = 0..end deny" MORE, 4,
     "range \"0..end\" overlaps that of line 3, expected each sector in one range of a disk"},

    {D "range = Partition:2 clear" MORE, 3, "\"Partition:2\" is not a range, " PLACE_RULE},
    {D "range = partition 2 clear" MORE, 3, "\"partition\" is not a range, " PLACE_RULE},
    {D "range = partition: clear" MORE, 3, "\"partition:\" is not a partition, " PART_RULE},
    {D "range = partition: 2 clear" MORE, 3, "\"partition:\" is not a partition, " PART_RULE},
    {D "range = partition:0 clear" MORE, 3, "\"partition:0\" is not a partition, " PART_RULE},
    {D "range = partition:-1 clear" MORE, 3, "\"partition:-1\" is not a partition, " PART_RULE},
    {D "range = partition:0x2 clear" MORE, 3, "\"partition:0x2\" is not a partition, " PART_RULE},
    {D "range = partition:1..2 clear" MORE, 3, "\"partition:1..2\" is not a partition, " PART_RULE},
    {D "range = partition:sda2 clear" MORE, 3, "\"partition:sda2\" is not a partition, " PART_RULE},
    {D "range = partition:12345678 clear" MORE, 3, "\"partition:12345678\" is not a partition, " PART_RULE},
    {D "range = partition:12345678- clear" MORE, 3, "\"partition:12345678-\" is not a partition, " PART_RULE},
    {D "range = partition:12345678-1 clear" MORE, 3, "\"partition:12345678-1\" is not a partition, " PART_RULE},
    {D "range = partition:1234567g-01 clear" MORE, 3, "\"partition:1234567g-01\" is not a partition, " PART_RULE},
    {D "range = partition:" GUID "0 clear" MORE, 3,
     "\"partition:a1b2c3d4-0123-4567-89ab-cdefAB...\" is not a partition, " PART_RULE},
    {D "range = partition:{" GUID "} clear" MORE, 3,
     "\"partition:{a1b2c3d4-0123-4567-89ab-cdefA...\" is not a partition, " PART_RULE},
    {D "range = partition:a1b2c3d4-0123-4567-89ab_cdefABCDEF01 clear" MORE, 3,
     "\"partition:a1b2c3d4-0123-4567-89ab_cdefAB...\" is not a partition, " PART_RULE},
    {D "range = partition:2" MORE, 3, "\"\" is not an action, " ACTION_RULE},
    {D "range = partition:2 clear too" MORE, 3, "\"too\" after the action, expected nothing more"},
    {D "range = partition:2 clear\nrange = partition:1 deny\nrange = partition:02 deny" MORE, 5,
     "range \"partition:02\" overlaps that of line 3, expected each sector in one range of a disk"},
    {D "range = partition:a1b2c3d4-0123-4567-89AB-CDEFabcdef01 clear\nrange = partition:" GUID " deny" MORE, 4,
     "range \"partition:a1b2c3d4-0123-4567-89ab-cdefAB...\" overlaps that of line 3, "
     "expected each sector in one range of a disk"},

    /* source: messages never hold a digit of the key */
    {K "source = " HEX_32 MORE, 2, "unknown kind of source, " SOURCE_RULE},
    {K "source = HEX:" HEX_32 MORE, 2, "unknown kind of source, " SOURCE_RULE},
    {K "source = passphrase" MORE, 2, "unknown kind of source, " SOURCE_RULE},
    {K "source = hex:..." MORE, 2, "character 1 after hex: is not a hexadecimal digit, expected 0-9 a-f A-F"},
    {K "source = hex: " HEX_32 MORE, 2, "character 1 after hex: is not a hexadecimal digit, expected 0-9 a-f A-F"},
    {K "source = hex:" HEX_32 "g" MORE, 2, "character 65 after hex: is not a hexadecimal digit, expected 0-9 a-f A-F"},
    {K "source = hex:" MORE, 2, "key of 0 hexadecimal digits, expected 64 (AES-128-XTS) or 128 (AES-256-XTS)"},
    {K "source = hex:" HEX_32 "0" MORE, 2,
     "key of 65 hexadecimal digits, expected 64 (AES-128-XTS) or 128 (AES-256-XTS)"},
    {K "source = hex:" HEX_16 HEX_32 MORE, 2,
     "key of 96 hexadecimal digits, expected 64 (AES-128-XTS) or 128 (AES-256-XTS)"},
    {K "source = hex:" HEX_16 HEX_16 MORE, 2, "both halves of the key are equal, expected random digits"},
    {K "source = hex:" HEX_32 HEX_32 MORE, 2, "both halves of the key are equal, expected random digits"},

    {K "source = file:" MORE, 2, "no name of a file after file:, " FILE_RULE},
    {K "source = file:a b" MORE, 2, "no name of a file after file:, " FILE_RULE},
    {K "source = file: a" MORE, 2, "no name of a file after file:, " FILE_RULE},
    {K "source = file:../a" MORE, 2, "no name of a file after file:, " FILE_RULE},
    {K "source = file:\\a" MORE, 2, "no name of a file after file:, " FILE_RULE},
    {K "source = file:" HEX_32 "0" MORE, 2, "no name of a file after file:, " FILE_RULE},

    {K "source = luks:" MORE, 2, "no name of a file after luks:, " FILE_RULE},
    {K "source = luks:a/b" MORE, 2, "no name of a file after luks:, " FILE_RULE},
    {K "source = luks2:a" MORE, 2, "unknown kind of source, " SOURCE_RULE},
    {K "source = luks" MORE, 2, "unknown kind of source, " SOURCE_RULE},

    /* unlock: what might be a passphrase is not shown either */
    {K "unlock = " MORE, 2, "unlock has no value, " UNLOCK_RULE},
    {K "unlock = secret" MORE, 2, "unknown way to unlock, " UNLOCK_RULE},
    {K "unlock = passphrase:secret" MORE, 2, "unknown way to unlock, " UNLOCK_RULE},
    {K "unlock = passphrase keyfile:a" MORE, 2, "unknown way to unlock, " UNLOCK_RULE},
    {K "unlock = passphrase," MORE, 2, "unknown way to unlock, " UNLOCK_RULE},
    {K "unlock = ,passphrase" MORE, 2, "unknown way to unlock, " UNLOCK_RULE},
    {K "unlock = keyfile" MORE, 2, "unknown way to unlock, " UNLOCK_RULE},
    {K "unlock = keyfile:" MORE, 2, "no name of a file after keyfile:, " FILE_RULE},
    {K "unlock = keyfile:\\a" MORE, 2, "no name of a file after keyfile:, " FILE_RULE},
    {K "unlock = passphrase, passphrase" MORE, 2, "way 2 to unlock is the same as way 1, expected each once"},
    {K "unlock = keyfile:a,passphrase,keyfile:b,keyfile:a" MORE, 2,
     "way 4 to unlock is the same as way 1, expected each once"},
    {K "unlock = passphrase\nunlock = keyfile:a" MORE, 3,
     "unlock is set in line 2 already, expected it once in a section"},
    {K "unlock = passphrase" MORE, 1, "[key] without source, " SOURCE_RULE},
    {K "unlock = passphrase\nsource = file:a" MORE, 2, "unlock without source = luks:NAME, expected both or neither"},
    {KEY_K "unlock = passphrase", 3, "unlock without source = luks:NAME, expected both or neither"},

    /* the file as a whole */
    {"\n" DISK_A "[disk \"b\"]\nmatch = port:1\nrange = 0..end clear", 5,
     "disk \"b\" can match nothing that \"a\" leaves, expected another match"},
    {"[disk \"a\"]\nmatch = pci:00:01.0\nrange = 0..end clear\n[disk \"b\"]\nmatch = port:1\nrange = 0..end clear\n"
     "[disk \"c\"]\nmatch = pci:0000:00:01.0\nrange = 0..end clear\n",
     7, "disk \"c\" can match nothing that \"a\" leaves, expected another match"},
    {"[disk \"a\"]\nmatch = model:X\nrange = 0..end clear\n[disk \"b\"]\nmatch = model: X\nrange = 0..end clear\n", 4,
     "disk \"b\" can match nothing that \"a\" leaves, expected another match"},
    {D "range = 0..9 clear\nrange = 10..19 encrypt:k2\nrange = 20..end encrypt:k2\n" KEY_K, 4,
     "there is no key \"k2\", expected a section [key \"k2\"]"},
    {DISK_A "\n" KEY_K, 5, "key \"k\" is not used, expected a range with encrypt:k"},
};

static bool all_zero(const void *p, size_t n) {
    const unsigned char *byte = p;
    for (size_t i = 0; i < n; i++)
        if (byte[i] != 0) return false;
    return true;
}

Test(conf_parse, wrong_files) {
    static struct conf conf;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conf_error error;
        memset(&conf, 0xA5, sizeof conf);
        memset(&error, 0xA5, sizeof error);
        cr_assert_eq(parse_text(cases[i].text, &conf, &error), CONF_E_INVALID, "case %zu: %s", i, cases[i].text);
        cr_expect_eq(error.line, cases[i].line, "case %zu: line %u", i, error.line);
        cr_expect_str_eq(error.message, cases[i].message, "case %zu: %s", i, error.message);
        cr_expect(all_zero(&conf, sizeof conf), "case %zu", i);
    }
}

Test(conf_parse, embedded_nul) {
    static const char text[] = "[boot]\nnext = \\a\0b\n";
    static struct conf conf;
    struct conf_error error;
    cr_assert_eq(conf_parse(text, sizeof text - 1, &conf, &error), CONF_E_INVALID);
    cr_expect_eq(error.line, 2);
    cr_expect_str_eq(error.message, "byte 10 of the line is a control character, expected text ended by LF or CR LF");
}

Test(conf_error_format, as_compilers_print_it) {
    const struct conf_error error = {1203, "what is wrong, what was expected"};
    char out[64];
    conf_error_format(&error, "sekisho.conf", out, sizeof out);
    cr_expect_str_eq(out, "sekisho.conf:1203: what is wrong, what was expected");
    conf_error_format(&(struct conf_error){1, "x"}, "/etc/f", out, sizeof out);
    cr_expect_str_eq(out, "/etc/f:1: x");
    conf_error_format(&(struct conf_error){4294967295u, "x"}, "f", out, sizeof out);
    cr_expect_str_eq(out, "f:4294967295: x");
}

Test(conf_error_format, cut_short_at_every_length) {
    const struct conf_error error = {12, "wrong"};
    static const char whole[] = "f:12: wrong";
    for (size_t n = 1; n <= sizeof whole + 2; n++) {
        char out[16];
        memset(out, 'z', sizeof out);
        conf_error_format(&error, "f", out, n);
        size_t want = n - 1 < sizeof whole - 1 ? n - 1 : sizeof whole - 1;
        cr_expect_eq(strlen(out), want);
        cr_expect_eq(memcmp(out, whole, want), 0);
        for (size_t i = n; i < sizeof out; i++) cr_expect_eq(out[i], 'z', "n %zu, byte %zu", n, i);
    }
}
