/* see app.h. Source: UEFI Specification 2.10, 13.4 "Simple File System Protocol", 13.5 "File Protocol", 7.4 "Image
 * Services", 10.3 "Device Path Nodes". */
#include <conf/conf.h>
#include <crypt/wipe.h>
#include <string.h>
#include "app.h"

#define PATH_MAX_UNITS 512u

static EFI_GUID loaded_image_guid = LOADED_IMAGE_PROTOCOL;
static EFI_GUID device_path_guid = DEVICE_PATH_PROTOCOL;
static EFI_GUID file_system_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;
static EFI_GUID file_info_guid = EFI_FILE_INFO_ID;

/* A checksum that is cut away would not be checked. */
static bool take_options(struct app_files *f) {
    const CHAR16 *o = f->loaded->LoadOptions;
    UINTN units = o ? f->loaded->LoadOptionsSize / sizeof *o : 0;
    if (!conf_utf8_from(o, units, f->options, sizeof f->options)) return false;
    size_t n;
    const char *value = conf_option(f->options, "on-error", &n);
    f->return_on_error = value && n == 6 && !memcmp(value, "return", 6);
    return true;
}

bool files_init(struct app_files *f, EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    f->st = st;
    f->image = image;
    const char *why = NULL;
    if (EFI_ERROR(st->BootServices->HandleProtocol(image, &loaded_image_guid, (void **)&f->loaded)))
        why = "the firmware does not tell where this program came from";
    else if (!take_options(f))
        why = "the load options are longer than 2047 bytes";
    if (why) con_line(why, NULL, NULL);
    return !why;
}

static UINTN node_bytes(const EFI_DEVICE_PATH *n) { return (UINTN)(n->Length[0] | n->Length[1] << 8); }

static const EFI_DEVICE_PATH *next_node(const EFI_DEVICE_PATH *n) {
    return (const EFI_DEVICE_PATH *)(const void *)((const UINT8 *)n + node_bytes(n));
}

static bool is_end(const EFI_DEVICE_PATH *n) { return n->Type == END_DEVICE_PATH_TYPE || node_bytes(n) < 4; }

/* Directory of this application with the trailing backslash, in out; "\" if unknown. */
static UINTN own_directory(const struct app_files *f, CHAR16 *out) {
    UINTN n = 0, end = 0;
    for (const EFI_DEVICE_PATH *p = f->loaded->FilePath; p && !is_end(p); p = next_node(p)) {
        if (p->Type != MEDIA_DEVICE_PATH || p->SubType != MEDIA_FILEPATH_DP) continue;
        UINTN units = (node_bytes(p) - 4) / 2;
        for (UINTN i = 0; i < units && n < PATH_MAX_UNITS - 64; i++) {
            CHAR16 c;
            memcpy(&c, (const UINT8 *)p + 4 + 2 * i, sizeof c);
            if (c == 0) break;
            out[n++] = c;
        }
    }
    for (UINTN i = 0; i < n; i++)
        if (out[i] == '\\') end = i + 1;
    if (end == 0) out[end++] = '\\';
    return end;
}

static EFI_STATUS open_volume(const struct app_files *f, EFI_HANDLE device, EFI_FILE **out_root) {
    EFI_FILE_IO_INTERFACE *fs;
    EFI_STATUS s = f->st->BootServices->HandleProtocol(device, &file_system_guid, (void **)&fs);
    return EFI_ERROR(s) ? s : fs->OpenVolume(fs, out_root);
}

/* How long a file is, as far as that can be known; at most max_bytes. */
static UINTN file_bytes(EFI_FILE *file, UINTN max_bytes) {
    static struct {
        EFI_FILE_INFO info;
        CHAR16 name[256];
    } b;
    UINTN n = sizeof b;
    bool known = !EFI_ERROR(file->GetInfo(file, &file_info_guid, &n, &b));
    return known && b.info.FileSize < max_bytes ? b.info.FileSize : max_bytes;
}

static EFI_STATUS read_open(const struct app_files *f, EFI_FILE *file, UINTN max_bytes, void **out, UINTN *out_bytes) {
    EFI_BOOT_SERVICES *bs = f->st->BootServices;
    UINTN n = file_bytes(file, max_bytes);
    EFI_STATUS s = bs->AllocatePool(EfiLoaderData, n + 1, out);
    if (EFI_ERROR(s)) return s;
    *out_bytes = n + 1; /* one more, to notice a file that is too long */
    s = file->Read(file, out_bytes, *out);
    if (!EFI_ERROR(s) && *out_bytes > n) s = EFI_BAD_BUFFER_SIZE;
    if (EFI_ERROR(s)) {
        crypt_wipe(*out, n + 1); /* keys may stand in a file that is too long, too */
        bs->FreePool(*out);
    }
    return s;
}

/* The value of load option "conf=", a path from the root or beside this program; 0 if there is none. */
static UINTN conf_path(const struct app_files *f, CHAR16 *out) {
    static char path[APP_OPTIONS_MAX];
    size_t n;
    const char *value = conf_option(f->options, "conf", &n);
    if (!value) return 0;
    memcpy(path, value, n);
    path[n] = '\0';
    UINTN at = path[0] == '\\' ? 0 : own_directory(f, out);
    return at + conf_utf16(path, out + at, PATH_MAX_UNITS - at);
}

static EFI_STATUS read_path(struct app_files *f, CHAR16 *path, UINTN max_bytes, void **out, UINTN *out_bytes) {
    EFI_FILE *root, *file;
    EFI_STATUS s = open_volume(f, f->loaded->DeviceHandle, &root);
    if (EFI_ERROR(s)) return s;
    s = root->Open(root, &file, path, EFI_FILE_MODE_READ, 0);
    if (!EFI_ERROR(s)) {
        s = read_open(f, file, max_bytes, out, out_bytes);
        file->Close(file);
    }
    root->Close(root);
    return s;
}

EFI_STATUS files_read_conf(struct app_files *f, const char *name, UINTN max_bytes, void **out, UINTN *out_bytes) {
    static CHAR16 path[PATH_MAX_UNITS];
    if (conf_path(f, path) == 0) {
        UINTN n = own_directory(f, path);
        (void)conf_utf16(name, path + n, PATH_MAX_UNITS - n);
    }
    return read_path(f, path, max_bytes, out, out_bytes);
}

EFI_STATUS files_read(struct app_files *f, const char *name, UINTN max_bytes, void **out, UINTN *out_bytes) {
    static CHAR16 path[PATH_MAX_UNITS + CONF_FILE_MAX];
    UINTN n = conf_path(f, path);
    while (n > 0 && path[n - 1] != '\\') n--;
    if (n == 0) n = own_directory(f, path);
    (void)conf_utf16(name, path + n, CONF_FILE_MAX + 1);
    return read_path(f, path, max_bytes, out, out_bytes);
}

void files_free(struct app_files *f, void *p, UINTN n_bytes) {
    crypt_wipe(p, n_bytes);
    f->st->BootServices->FreePool(p);
}

static bool has_file(const struct app_files *f, EFI_HANDLE device, CHAR16 *path) {
    EFI_FILE *root, *file;
    if (EFI_ERROR(open_volume(f, device, &root))) return false;
    bool found = !EFI_ERROR(root->Open(root, &file, path, EFI_FILE_MODE_READ, 0));
    if (found) file->Close(file);
    root->Close(root);
    return found;
}

static EFI_HANDLE find_device(const struct app_files *f, CHAR16 *path) {
    EFI_BOOT_SERVICES *bs = f->st->BootServices;
    EFI_HANDLE *handles, found = NULL;
    UINTN n;
    if (has_file(f, f->loaded->DeviceHandle, path)) return f->loaded->DeviceHandle;
    if (EFI_ERROR(bs->LocateHandleBuffer(ByProtocol, &file_system_guid, NULL, &n, &handles))) return NULL;
    for (UINTN i = 0; i < n && !found; i++)
        if (has_file(f, handles[i], path)) found = handles[i];
    bs->FreePool(handles);
    return found;
}

/* The device's path with a file path node behind it, in pool memory. */
static EFI_DEVICE_PATH *file_device_path(const struct app_files *f, EFI_HANDLE device, const CHAR16 *path,
                                         UINTN units) {
    EFI_BOOT_SERVICES *bs = f->st->BootServices;
    EFI_DEVICE_PATH *base;
    UINT8 *out;
    if (EFI_ERROR(bs->HandleProtocol(device, &device_path_guid, (void **)&base))) return NULL;
    const EFI_DEVICE_PATH *end = base;
    while (!is_end(end)) end = next_node(end);
    UINTN prefix = (UINTN)((const UINT8 *)end - (const UINT8 *)base), file = 4 + (units + 1) * sizeof *path;
    if (EFI_ERROR(bs->AllocatePool(EfiLoaderData, prefix + file + 4, (void **)&out))) return NULL;
    memcpy(out, base, prefix);
    const UINT8 header[4] = {MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, (UINT8)file, (UINT8)(file >> 8)};
    const UINT8 stop[4] = {END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, 4, 0};
    memcpy(out + prefix, header, 4);
    memcpy(out + prefix + 4, path, (units + 1) * sizeof *path);
    memcpy(out + prefix + file, stop, 4);
    return (EFI_DEVICE_PATH *)(void *)out;
}

EFI_STATUS files_start(struct app_files *f, const char *path, const char *options) {
    static CHAR16 wide[PATH_MAX_UNITS], wide_options[CONF_LINE_MAX + 1];
    EFI_BOOT_SERVICES *bs = f->st->BootServices;
    UINTN units = conf_utf16(path, wide, PATH_MAX_UNITS);
    EFI_HANDLE device = find_device(f, wide), child;
    if (!device) { /* it may lie on a volume that only became readable by our launch */
        storage_reconnect(f->st);
        device = find_device(f, wide);
    }
    if (!device) return EFI_NOT_FOUND;
    EFI_DEVICE_PATH *dp = file_device_path(f, device, wide, units);
    if (!dp) return EFI_OUT_OF_RESOURCES;
    EFI_STATUS s = bs->LoadImage(FALSE, f->image, dp, NULL, 0, &child);
    bs->FreePool(dp);
    if (EFI_ERROR(s)) return s;
    EFI_LOADED_IMAGE *loaded;
    if (options[0] && !EFI_ERROR(bs->HandleProtocol(child, &loaded_image_guid, (void **)&loaded))) {
        UINTN n = conf_utf16(options, wide_options, sizeof wide_options / sizeof wide_options[0]);
        loaded->LoadOptions = wide_options;
        loaded->LoadOptionsSize = (UINT32)((n + 1) * sizeof wide_options[0]);
    }
    return bs->StartImage(child, NULL, NULL);
}
