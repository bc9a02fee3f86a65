/* see luks2_text.h */
#include "luks2_text.h"
#include "luks_part.h"

#include <stdarg.h>
#include <string.h>

#define SLOT_TEXT_MAX 640u

/* Replace n_old bytes at an offset. */
static void splice(struct luks2_text *t, size_t at, size_t n_old, const char *new, size_t n_new) {
    if (t->full || n_new > t->n_max - (t->n - n_old)) {
        t->full = true;
        return;
    }
    memmove(t->p + at + n_new, t->p + at + n_old, t->n - at - n_old);
    memcpy(t->p + at, new, n_new);
    t->n = t->n - n_old + n_new;
}

static void put(struct luks2_text *t, const char *s, size_t n) { splice(t, t->n, 0, s, n); }

static void put_decimal(struct luks2_text *t, uint64_t v) {
    char digit[20];
    size_t at = sizeof digit;
    do digit[--at] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    put(t, digit + at, sizeof digit - at);
}

static void put_base64(struct luks2_text *t, const uint8_t *p, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)p[i] << 16;
        if (i + 1 < n) bits |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < n) bits |= p[i + 2];
        char out[4] = {digits[bits >> 18], digits[bits >> 12 & 63], i + 1 < n ? digits[bits >> 6 & 63] : '=',
                       i + 2 < n ? digits[bits & 63] : '='};
        put(t, out, sizeof out);
    }
}

/* A template, in which
 *   '  is a quotation mark
 *   #  uint64_t                 in decimal
 *   $  const char *             as it is
 *   %  const uint8_t *, size_t  in base64 */
static void emit(struct luks2_text *t, const char *template, ...) {
    va_list args;
    va_start(args, template);
    for (; *template; template ++) {
        const char *s = *template == '\'' ? "\"" : template;
        switch (*template) {
        case '#': put_decimal(t, va_arg(args, uint64_t)); break;
        case '$':
            s = va_arg(args, const char *);
            put(t, s, strlen(s));
            break;
        case '%': {
            const uint8_t *bytes = va_arg(args, const uint8_t *);
            put_base64(t, bytes, va_arg(args, size_t));
            break;
        }
        default: put(t, s, 1);
        }
    }
    va_end(args);
}

void crypt_luks2_text_new(struct luks2_text *t, const struct crypt_luks *l) {
    emit(t,
         "{'keyslots':{},'tokens':{},'segments':{'0':{'type':'crypt','offset':'0','size':'dynamic','iv_tweak':'0',"
         "'encryption':'" LUKS_CIPHER "','sector_size':#}},'digests':{'0':{'type':'pbkdf2','keyslots':[],"
         "'segments':['0'],'hash':'$','iterations':#,'salt':'%','digest':'%'}},"
         "'config':{'json_size':'#','keyslots_size':'#'}}",
         (uint64_t)CRYPT_LUKS_SECTOR_BYTES, crypt_hash_name(l->digest_hash), (uint64_t)l->digest_iterations,
         l->digest_salt, (size_t)l->digest_salt_bytes, l->digest, (size_t)l->digest_bytes, l->copy_bytes - 4096,
         l->areas_end - 2 * l->copy_bytes);
}

static void emit_slot(struct luks2_text *t, const struct crypt_luks_slot *s) {
    const struct crypt_luks_kdf *k = &s->kdf;
    emit(t,
         "{'type':'luks2','key_size':#,'priority':#,'af':{'type':'luks1','stripes':#,'hash':'$'},"
         "'area':{'type':'raw','offset':'#','size':'#','encryption':'" LUKS_CIPHER "','key_size':#},"
         "'kdf':{'salt':'%',",
         (uint64_t)s->af.key_bytes, (uint64_t)s->priority, (uint64_t)s->af.n_stripes, crypt_hash_name(s->af.hash),
         s->area_offset, s->area_bytes, (uint64_t)s->area_key_bytes, s->salt, (size_t)s->salt_bytes);
    if (k->type == CRYPT_LUKS_PBKDF2)
        emit(t, "'type':'pbkdf2','hash':'$','iterations':#}}", crypt_hash_name(k->hash), (uint64_t)k->iterations);
    else
        emit(t, "'type':'$','time':#,'memory':#,'cpus':#}}", k->type == CRYPT_LUKS_ARGON2I ? "argon2i" : "argon2id",
             (uint64_t)k->iterations, (uint64_t)k->kib, (uint64_t)k->lanes);
}

static size_t offset_of(const struct luks2_text *t, struct json v) { return (size_t)(v.p - t->p); }

static struct json root_of(const struct luks2_text *t) {
    struct json root = {t->p, t->n};
    const char *why;
    (void)crypt_json_check(root, &root, &why);
    return root;
}

/* Put an element or a member at the front of an array or an object. */
static void insert(struct luks2_text *t, struct json container, const struct luks2_text *what) {
    struct json rest = container, name, first;
    bool empty = !crypt_json_next(&rest, crypt_json_is_object(container) ? &name : NULL, &first);
    size_t at = offset_of(t, container) + 1;
    if (!empty) splice(t, at, 0, ",", 1);
    splice(t, at, 0, what->p, what->n);
}

/* Remove an element or a member, from its first byte to its last, with one of the commas around it. */
static void cut(struct luks2_text *t, size_t from, size_t end) {
    while (crypt_json_is_blank(t->p[end])) end++;
    if (t->p[end] == ',') {
        end++;
    } else {
        while (crypt_json_is_blank(t->p[from - 1])) from--;
        if (t->p[from - 1] == ',') from--;
    }
    splice(t, from, end - from, "", 0);
}

/* The volume key's digest, or NULL: the array of slots it is one of. */
static bool digest_slots(struct json root, struct json *out) {
    struct json digests, name, digest, segments, ours;
    if (!crypt_json_object(root, "digests", &digests)) return false;
    while (crypt_json_next(&digests, &name, &digest))
        if (crypt_json_array(digest, "segments", &segments) && crypt_json_element(segments, "0", &ours))
            return crypt_json_array(digest, "keyslots", out);
    return false;
}

static bool find_reference(struct json root, const char *number, struct json *out) {
    static const char *const sections[] = {"digests", "tokens"};
    struct json section, name, object, slots;
    for (unsigned i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (!crypt_json_object(root, sections[i], &section)) continue;
        while (crypt_json_next(&section, &name, &object))
            if (crypt_json_array(object, "keyslots", &slots) && crypt_json_element(slots, number, out)) return true;
    }
    return false;
}

/* A slot's number as C string. */
static const char *number_of(unsigned slot, char buffer[4]) {
    struct luks2_text t = {buffer, 0, 3, false};
    put_decimal(&t, slot);
    buffer[t.n] = '\0';
    return buffer;
}

void crypt_luks2_text_set(struct luks2_text *t, unsigned slot, const struct crypt_luks_slot *s) {
    char buffer[SLOT_TEXT_MAX], digits[4];
    struct luks2_text what = {buffer, 0, sizeof buffer, false};
    struct json slots, old, refering;
    const char *number = number_of(slot, digits);
    if (!crypt_json_object(root_of(t), "keyslots", &slots)) return;
    if (crypt_json_member(slots, number, &old)) {
        emit_slot(&what, s);
        splice(t, offset_of(t, old), old.n, what.p, what.n);
    } else {
        emit(&what, "'$':", number);
        emit_slot(&what, s);
        insert(t, slots, &what);
    }
    t->full = t->full || what.full;
    if (t->full || !digest_slots(root_of(t), &slots) || crypt_json_element(slots, number, &refering)) return;
    what.n = 0;
    emit(&what, "'$'", number);
    insert(t, slots, &what);
}

void crypt_luks2_text_clear(struct luks2_text *t, unsigned slot) {
    char digits[4];
    const char *number = number_of(slot, digits);
    struct json slots, name, value, reference;
    if (!crypt_json_object(root_of(t), "keyslots", &slots)) return;
    while (crypt_json_next(&slots, &name, &value)) {
        if (!crypt_json_is(name, number)) continue;
        cut(t, offset_of(t, name), offset_of(t, value) + value.n);
        break;
    }
    while (find_reference(root_of(t), number, &reference)) {
        size_t from = offset_of(t, reference);
        cut(t, from, from + reference.n);
    }
}
