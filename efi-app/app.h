/* The parts of the UEFI application. All of it runs with boot services alive, first on the bare machine, then as the
 * guest. */
#ifndef EFI_APP_H
#define EFI_APP_H

#include <efi.h>
#include <efipciio.h>
#include <stdbool.h>

/* console.c: the firmware's console, which is screen and serial line as its settings say. typed: gets what the firmware
 * gives for keys, from here on. */
struct traces;
void con_init(EFI_SYSTEM_TABLE *st, struct traces *typed);
/* Lines from here on go to the serial port too, unless the firmware's console does that, or there is none. */
void con_add_serial(uint16_t port);
void con_print(const char *text);                           /* as it stands, ASCII or UTF-8; \n starts a line */
void con_line(const char *a, const char *b, const char *c); /* the three in one line; NULL for none */
/* The next byte of what was typed there or, where lines go to it too, on the serial port: UTF-8, and control characters
 * for keys that have one. -1 at once if there is none. */
int con_key(void);
void con_wait_key(void);

/* storage.c: let the firmware start its driver on every storage controller. One that boots fast touches only the disk
 * it starts from, and a controller nobody has set up cannot be asked which disks it has. */
void storage_connect(EFI_SYSTEM_TABLE *st);
/* Let it look again at every disk: what is on an encrypted range can be read only from launch on. */
void storage_reconnect(EFI_SYSTEM_TABLE *st);

/* keys.c */
/* Around all that uses vector registers or the stack below its own: libcrypt does, and the firmware's interrupts would
 * use the same stack. Without nesting; meanwhile nothing of the firmware's MUST be called. */
void crypto_begin(EFI_SYSTEM_TABLE *st);
void crypto_end(EFI_SYSTEM_TABLE *st);
struct app_files;
struct conf;
/* Unlock the keys that are in LUKS headers. False after sentences on the console. */
bool keys_unlock(struct app_files *f, struct conf *conf);

/* files.c */
#define APP_OPTIONS_MAX 2048u
struct app_files {
    EFI_SYSTEM_TABLE *st;
    EFI_HANDLE image;
    EFI_LOADED_IMAGE *loaded;
    char options[APP_OPTIONS_MAX]; /* load options, in UTF-8 */
    bool return_on_error;          /* on-error=return is one of them */
};
/* False after a sentence on the console. */
bool files_init(struct app_files *f, EFI_HANDLE image, EFI_SYSTEM_TABLE *st);
/* Read the configuration into pool memory (free with files_free), at most max_bytes: the file that load option "conf="
 * names, from the root of our volume if it begins with a backslash, else beside the application; without the option,
 * name. */
EFI_STATUS files_read_conf(struct app_files *f, const char *name, UINTN max_bytes, void **out, UINTN *out_bytes);
/* The same for a file beside the configuration. MUST: name is at most CONF_FILE_MAX characters. */
EFI_STATUS files_read(struct app_files *f, const char *name, UINTN max_bytes, void **out, UINTN *out_bytes);
void files_free(struct app_files *f, void *p, UINTN n_bytes); /* wipes it first */
/* Load and start another application: path (UTF-8, from the root) on our own volume, else on any that has it.
 * Does not return if that one takes over the machine. */
EFI_STATUS files_start(struct app_files *f, const char *path, const char *options);

#endif
