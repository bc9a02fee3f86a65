/* Keys that are in LUKS headers: unlocked before launch, by asking for a passphrase, or with a key file.
 *
 * Both applications give it their files, console and memory. What goes wrong is told in one sentence; then the next way
 * to unlock is tried. No state of its own, no allocation but through the host; under 16 KiB of stack.
 *
 * Secrets: the volume key goes to struct conf_key and nowhere else; passphrases stay in struct unlock. That is wiped
 * when unlock_keys returns, and memory before it is given back. */
#ifndef SEKISHO_UNLOCK_H
#define SEKISHO_UNLOCK_H

#include <conf/conf.h>
#include <crypt/luks.h>
#include "prompt.h"

#define UNLOCK_HEADER_MAX  (64u << 20)
#define UNLOCK_KEYFILE_MAX (8u << 20) /* as cryptsetup has it */
#define UNLOCK_NO_KEY      (-1)

/* What the application does for us. All functions MUST be there. */
struct unlock_host {
    void *ctx;
    const char *options; /* load options, which may tell files' checksums */

    /* On every console. Besides text: \n, \b (the cursor goes back), \a (a bell, or nothing). */
    void (*print)(void *ctx, const char *text);
    int (*key)(void *ctx); /* the next byte that was typed, or UNLOCK_NO_KEY at once */
    void (*wait)(void *ctx, unsigned ms);

    /* A whole file of at most max_bytes, until it is released, which wipes it if nobody else needs it. false: *out_why
     * is the rest of a sentence about the file. */
    bool (*read)(void *ctx, const char *name, size_t max_bytes, const void **out, size_t *out_bytes,
                 const char **out_why);
    void (*release)(void *ctx, const void *data, size_t n_bytes);

    /* Memory in one piece, aligned to CRYPT_LUKS_WORK_ALIGN; NULL if there is not as much. Wiped when given back. */
    void *(*take)(void *ctx, size_t n_bytes);
    void (*give_back)(void *ctx, void *p, size_t n_bytes);

    /* What is computed in between uses vector registers and the stack below its own. The other functions are called
     * outside of these. */
    void (*crypto_begin)(void *ctx);
    void (*crypto_end)(void *ctx);
};

/* Large, so the caller's; any contents at first. Private. */
struct unlock {
    const struct unlock_host *host;
    const char *header; /* name of the file */
    const void *image;
    size_t image_bytes;
    void *work;
    size_t work_bytes;
    unsigned percent;
    struct prompt prompt, aside; /* what is typed while nobody asks for it */
    struct crypt_luks luks;
    struct crypt_luks_opened opened;
};

/* Unlock every CONF_KEY_LUKS. false: one could not be, and has been told about. */
bool unlock_keys(struct unlock *u, const struct unlock_host *host, struct conf *conf);

#endif
