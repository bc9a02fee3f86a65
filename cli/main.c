/* sekisho: finds the command, reads its options, gives help. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "cli.h"
#include "command.h"

#define TAKES(option) (1u << OPTION_##option)
#define NEW_KEY       (TAKES(PBKDF) | TAKES(PBKDF_MEMORY) | TAKES(ITER_TIME) | TAKES(KEY_FILE))
#define CHANGE        (NEW_KEY | TAKES(NEW_KEY_FILE) | TAKES(SLOT))
#define FORMAT        (NEW_KEY | TAKES(TYPE) | TAKES(KEY_SIZE) | TAKES(VOLUME_KEY_FILE))
#define DISK          (TAKES(HEADER) | TAKES(KEY_FILE) | TAKES(VOLUME_KEY_FILE) | TAKES(JOURNAL))
#define CONVERT       (DISK | TAKES(FORCE) | TAKES(YES))
#define BOOT          (TAKES(ESP) | TAKES(DRY_RUN))
#define CONVERT_DETAILS                                                                                                \
    "Not while it is mounted, nor below Sekisho. It may be interrupted at any time, by a power cut too:\n"             \
    "the same command goes on. The journal must then be where it was; not in memory, nor on DISK.\n"                   \
    "Have a backup all the same.\n"

static const struct command commands[] = {
    {"luks", "format", "FILE", FORMAT, luks_format, "make a header with a new volume key and one passphrase",
     "FILE must not exist. It is useless without a passphrase, and the disk without it: keep a copy elsewhere.\n"},
    {"luks", "add", "FILE", CHANGE, luks_add, "let one more passphrase open the volume", NULL},
    {"luks", "remove", "FILE", TAKES(KEY_FILE) | TAKES(SLOT), luks_remove, "take a passphrase away",
     "Without --slot: the passphrase that is given. With it: that keyslot's; one that stays must be given.\n"
     "Copies of FILE made earlier still open with it.\n"},
    {"luks", "change", "FILE", CHANGE, luks_change, "put another passphrase in the place of one", NULL},
    {"luks", "info", "FILE", 0, luks_info, "what a header says", NULL},
    {"disk", "encrypt", "DISK", CONVERT, disk_encrypt, "encrypt a disk or partition in place", CONVERT_DETAILS},
    {"disk", "decrypt", "DISK", CONVERT, disk_decrypt, "decrypt one in place", CONVERT_DETAILS},
    {"disk", "verify", "DISK", DISK | TAKES(AGAINST), disk_verify,
     "read all of an encrypted one, and say what it holds",
     "It says whether all of it looks like ciphertext and begins, decrypted, with a known file system.\n"
     "That the data are right, only --against can say.\n"},
    {"conf", "check", "FILE", 0, conf_check, "read a sekisho.conf as the boot does", NULL},
    {"install", "", "FOLDER", BOOT | TAKES(PARTITION), install,
     "put Sekisho before the system that starts now, or upgrade it",
     "FOLDER has sekisho.efi, sekisho.conf and the files that names. They go to EFI/sekisho on the EFI system\n"
     "partition; a boot entry for them becomes the first one, and what was first is next.\n"},
    {"uninstall", "", "", BOOT, uninstall, "start without it again; configuration and keys stay", NULL},
    {"status", "", "", 0, status, "does Sekisho run below this system? for root, with the kernel's module msr", NULL},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void help(const char *group) {
    printf("usage: sekisho COMMAND ... [OPTIONS]; sekisho COMMAND --help says more\n\n");
    for (const struct command *c = commands; c < commands + N_COMMANDS; c++)
        if (!group || strcmp(group, c->group) == 0)
            printf("  %s %-*s %-6s %s\n", c->group, 12 - (int)strlen(c->group), c->name, c->operand, c->help);
    printf("\nExit code: 0 good, 1 refused or failed, 2 not called as described; of status, 3 is no.\n");
}

static void help_command(const struct command *c) {
    printf("usage: sekisho %s%s%s %s [OPTIONS]: %s\n\n", c->group, c->name[0] ? " " : "", c->name, c->operand, c->help);
    if (c->details) printf("%s\n", c->details);
    options_help(c->options);
}

static int run(const struct command *c, int argc, char **argv) {
    struct options o;
    int n_operands = options_parse(&o, c->options, argc, argv);
    if (n_operands < 0) return CLI_USAGE;
    if (o.value[OPTION_HELP]) {
        help_command(c);
        return CLI_GOOD;
    }
    if (n_operands != (c->operand[0] != '\0'))
        return cli_usage("%s %s takes %s; see --help", c->group, c->name, c->operand[0] ? "one operand" : "none");
    return c->run(argv[1], &o);
}

static bool is_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

static int dispatch(int argc, char **argv) {
    bool group_exists = false;
    if (argc < 2) return cli_usage("which command? see sekisho --help");
    if (is_help(argv[1])) {
        help(NULL);
        return CLI_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("sekisho " SEKISHO_VERSION);
        return CLI_GOOD;
    }
    for (const struct command *c = commands; c < commands + N_COMMANDS; c++) {
        if (strcmp(argv[1], c->group) != 0) continue;
        if (!c->name[0]) return run(c, argc - 1, argv + 1);
        group_exists = true;
        if (argc > 2 && strcmp(argv[2], c->name) == 0) return run(c, argc - 2, argv + 2);
    }
    if (!group_exists) return cli_usage("there is no command %s; see sekisho --help", argv[1]);
    if (argc < 3) return cli_usage("%s what? see sekisho %s --help", argv[1], argv[1]);
    if (!is_help(argv[2])) return cli_usage("there is no command %s %s; see sekisho --help", argv[1], argv[2]);
    help(argv[1]);
    return CLI_GOOD;
}

int main(int argc, char **argv) {
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none); /* secrets do not belong into a file */
    int code = dispatch(argc, argv);
    if (fflush(stdout) != 0) return cli_fail("the output could not be written");
    return code;
}
