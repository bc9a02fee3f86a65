/* sekisho install, sekisho uninstall: files on the EFI system partition, and the firmware's boot order. See command.h
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "cli.h"
#include "command.h"
#include "secret.h"

#define FILE_BYTES_MAX (64u << 20)
#define FILES_MAX      (2u + CONF_KEYS_MAX * (1u + CONF_UNLOCKS_MAX))
#define CONF           1u /* the configuration's place among them; behind it is what has keys */
#define LINE_BYTES     4096
#define LOADER         "\\EFI\\sekisho\\sekisho.efi" /* what our boot entry starts */
#define OURS_MAX       16u

#define ADD "efibootmgr --quiet --create --disk '%s' --label Sekisho --loader '" LOADER "'"

/* The firmware's boot entries. */
struct boot {
    unsigned n_ours;
    char ours[OURS_MAX][5]; /* the four digits of Boot#### */
    bool first;             /* one of ours is active, and first in the boot order */
    char next[256];         /* the path that starts the first active one of the others; "": none has a path */
};

struct plan {
    const char *from, *esp; /* folders */
    char to[PATH_MAX], partition[PATH_MAX];
    unsigned n;
    struct {
        char name[CONF_FILE_MAX + 1];
        struct file_data data;
    } file[FILES_MAX];
    struct conf *conf; /* in memory for secrets */
    struct boot boot;
};

static bool refuse(const char *what, const char *why) { return cli_fail("%s: %s", what, why) == CLI_GOOD; }

/* A path, until the next but one is made. */
static char *in(const char *folder, const char *name, const char *end) {
    static char paths[2][PATH_MAX * 2];
    static unsigned turn;
    turn ^= 1;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s%s", folder, name, end);
    return paths[turn];
}

static void begin(struct plan *p, const struct options *o) {
    p->esp = o->value[OPTION_ESP] ? o->value[OPTION_ESP] : "/boot/efi";
    snprintf(p->to, sizeof p->to, "%s/EFI/sekisho", p->esp);
}

/* ---- the boot order, by efibootmgr, versions 17 and 18 ---- */

/* The path in HD(1,GPT,...)/File(\EFI\x.efi), or without File(). Load options follow at once, so that of a path with
 * another end more is taken than there is: it names no file then. */
static void take_path(const char *line, char *out, size_t n_out) {
    const char *disk = strstr(line, "HD("), *path = disk ? strchr(disk, '\\') : NULL;
    const char *end = path ? strcasestr(path, ".efi") : NULL;
    snprintf(out, n_out, "%.*s", path ? end ? (int)(end - path) + 4 : (int)strcspn(path, "\n") : 0, path ? path : "");
}

/* Boot0001* label, a tab, path */
static void boot_parse(FILE *listing, struct boot *out) {
    char line[LINE_BYTES], order[LINE_BYTES] = "", number[5], mark, path[sizeof out->next];
    const char *next = NULL;
    *out = (struct boot){0};
    while (fgets(line, sizeof line, listing)) {
        if (sscanf(line, "BootOrder: %4095s", order) == 1) continue;
        if (sscanf(line, "Boot%4[0-9A-F]%c", number, &mark) != 2 || strlen(number) != 4) continue;
        const char *at = strstr(order, number);
        take_path(line, path, sizeof path);
        if (strcasecmp(path, LOADER) == 0) {
            if (out->n_ours < OURS_MAX) strcpy(out->ours[out->n_ours++], number);
            out->first |= mark == '*' && at == order;
        } else if (mark == '*' && path[0] && at && (!next || at < next)) {
            next = at;
            strcpy(out->next, path);
        }
    }
}

static bool boot_read(struct boot *out) {
    FILE *f = popen("efibootmgr --verbose", "re");
    if (f) boot_parse(f, out);
    return (f && pclose(f) == 0) || refuse("efibootmgr", "it is not there, or cannot tell the boot entries");
}

static bool run(bool dry, const char *format, const char *argument) {
    char command[LINE_BYTES];
    snprintf(command, sizeof command, format, argument);
    printf("%s %s\n", dry ? "would run" : "running", command);
    return dry || system(command) == 0 || cli_fail("efibootmgr failed") == CLI_GOOD;
}

static bool boot_delete(const struct boot *b, bool dry) {
    bool good = true;
    for (unsigned i = 0; i < b->n_ours && good; i++)
        good = run(dry, "efibootmgr --quiet --bootnum %s --delete-bootnum", b->ours[i]);
    return good;
}

/* ---- what is to be installed ---- */

/* A file of the folder. Keys and headers that are installed already stay: they are what opens the disks, and
 * passphrases may have changed there. FAT does not tell upper from lower case. */
static bool add(struct plan *p, const char *name) {
    const char *installed = in(p->to, name, "");
    for (unsigned i = 0; i < p->n; i++)
        if (strcasecmp(p->file[i].name, name) == 0) return true;
    if (p->n > CONF && access(installed, F_OK) == 0) return printf("keeping %s\n", installed) > 0;
    snprintf(p->file[p->n].name, sizeof p->file[p->n].name, "%s", name);
    return file_load(in(p->from, name, ""), FILE_BYTES_MAX, &p->file[p->n++].data);
}

static bool take_conf(struct plan *p) { return conf_take("sekisho.conf", &p->file[CONF].data, p->conf); }

static bool load(struct plan *p) {
    bool good = add(p, "sekisho.efi") && add(p, "sekisho.conf") && take_conf(p);
    if (good && memcmp(p->file[0].data.p, "MZ", 2) != 0) return refuse("sekisho.efi", "it is no UEFI application");
    for (const struct conf_key *key = p->conf->key; good && key < p->conf->key + p->conf->n_keys; key++) {
        good = key->kind == CONF_KEY_HEX || add(p, key->file);
        for (unsigned i = 0; i < key->n_unlocks && good; i++)
            good = key->unlock[i].kind != CONF_UNLOCK_KEYFILE || add(p, key->unlock[i].file);
    }
    return good;
}

/* Keys that stand in the configuration itself would be gone with it. */
static bool keeps_keys(const struct plan *p) {
    struct file_data old = {NULL, 0};
    const char *path = in(p->to, "sekisho.conf", ""), *text = (const char *)p->file[CONF].data.p;
    if (access(path, F_OK) != 0) return true;
    bool good = file_load(path, FILE_BYTES_MAX, &old);
    if (good && strcmp((const char *)old.p, text) != 0 && strstr((const char *)old.p, "hex:"))
        good = refuse(path, "keys stand in it, and it would be replaced: move it away first");
    file_drop(&old);
    return good;
}

/* ---- what is next ---- */

static bool is_on_esp(const struct plan *p, const char *path) {
    char *local = in(p->esp, path, "");
    for (char *c = local; *c; c++)
        if (*c == '\\') *c = '/';
    return access(local, F_OK) == 0;
}

/* Behind "[boot]" if there is one, else before all. The parser says whether that was right. */
static bool write_next(struct plan *p, const char *path) {
    struct file_data *d = &p->file[CONF].data;
    const char *text = (const char *)d->p, *boot = strncmp(text, "[boot]", 6) == 0 ? text : strstr(text, "\n[boot]");
    size_t head = boot ? (size_t)(strchr(boot, ']') + 1 - text) : 0;
    size_t n = d->n_bytes + strlen(path) + strlen("\nnext = \n") + (head ? 0 : strlen("[boot]"));
    struct file_data made = {secret_alloc(n + 1), n};
    snprintf((char *)made.p, n + 1, "%.*s%s\nnext = %s\n%s", (int)head, text, head ? "" : "[boot]", path, text + head);
    file_drop(d);
    *d = made;
    return take_conf(p);
}

/* If the configuration does not say it: what the firmware would start without us. The last is what it starts on a disk
 * for which it has no entry. UEFI Specification 2.10, 3.5.1.1 "Removable Media Boot Behavior". */
static bool choose_next(struct plan *p) {
    bool said = p->conf->next[0];
    const char *next = said ? p->conf->next : p->boot.next[0] ? p->boot.next : "\\EFI\\BOOT\\BOOTX64.EFI";
    if (strcasecmp(next, LOADER) == 0) return refuse("sekisho.conf", "next is Sekisho itself");
    if (!is_on_esp(p, next)) return cli_fail("%s is not on %s: sekisho.conf must say what is next", next, p->esp) == 0;
    printf("next is %s\n", next);
    return said || write_next(p, next);
}

/* ---- doing it ---- */

/* All under other names, then in place, the program last. */
static bool write_files(const struct plan *p) {
    bool good = mkdir(p->to, S_IRWXU) == 0 || errno == EEXIST || refuse(p->to, strerror(errno));
    for (unsigned i = 0; i < p->n && good; i++) {
        const char *made = in(p->to, p->file[i].name, "~");
        (void)unlink(made); /* a power cut may have left one */
        good = file_create(made, p->file[i].data.p, p->file[i].data.n_bytes);
    }
    for (unsigned i = p->n; i-- > 0;) {
        const char *made = in(p->to, p->file[i].name, "~");
        if (good && rename(made, in(p->to, p->file[i].name, "")) != 0) good = refuse(made, strerror(errno));
        if (!good) (void)unlink(made);
    }
    if (!good) (void)rmdir(p->to); /* if it is empty */
    return good && file_sync_folder(in(p->to, "x", ""));
}

static bool carry_out(struct plan *p, bool dry) {
    for (unsigned i = 0; i < p->n; i++)
        printf("%s %s\n", dry ? "would write" : "writing", in(p->to, p->file[i].name, ""));
    if ((!dry && !write_files(p)) || !run(dry, ADD, p->partition) || !boot_delete(&p->boot, dry)) return false;
    if (dry || (boot_read(&p->boot) && p->boot.first && p->boot.n_ours == 1)) return true;
    return refuse(p->to, "the files are there, but no boot entry of the firmware's starts them first");
}

/* Source: Linux, Documentation/ABI/stable/sysfs-dev, "/sys/dev". */
static bool find_partition(struct plan *p) {
    char real[PATH_MAX];
    struct stat st;
    struct statfs fs;
    bool fat = stat(p->esp, &st) == 0 && statfs(p->esp, &fs) == 0 && fs.f_type == MSDOS_SUPER_MAGIC;
    snprintf(p->partition, sizeof p->partition, "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
    if (!fat || !realpath(p->partition, real)) return refuse(p->esp, "no EFI system partition is mounted there");
    snprintf(p->partition, sizeof p->partition, "/dev/%s", basename(real));
    return true;
}

int install(const char *folder, const struct options *o) {
    static struct plan p;
    const char *partition = o->value[OPTION_PARTITION];
    begin(&p, o);
    p.from = folder;
    p.conf = secret_alloc(sizeof *p.conf);
    if (partition && strchr(partition, '\'')) return cli_usage("%s is no device", partition);
    bool good = (partition ? snprintf(p.partition, PATH_MAX, "%s", partition) > 0 : find_partition(&p)) &&
                boot_read(&p.boot) && load(&p) && choose_next(&p) && keeps_keys(&p) &&
                carry_out(&p, o->value[OPTION_DRY_RUN]);
    for (unsigned i = 0; i < p.n; i++) file_drop(&p.file[i].data);
    secret_free(p.conf, sizeof *p.conf);
    return good ? CLI_GOOD : CLI_FAILED;
}

int uninstall(const char *none, const struct options *o) {
    static struct plan p;
    bool dry = o->value[OPTION_DRY_RUN];
    begin(&p, o);
    (void)none;
    if (!boot_read(&p.boot) || !boot_delete(&p.boot, dry)) return CLI_FAILED;
    const char *program = in(p.to, "sekisho.efi", "");
    printf("%s %s\n", dry ? "would remove" : "removing", program);
    if (!dry && unlink(program) != 0 && errno != ENOENT) return cli_fail("%s: %s", program, strerror(errno));
    if (!dry && rmdir(p.to) != 0 && errno == ENOTEMPTY)
        printf("keeping all else in %s: without its keys, nobody can read what is encrypted\n", p.to);
    return CLI_GOOD;
}
