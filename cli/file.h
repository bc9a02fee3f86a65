/* Files and disks, whole or not at all. Each returns false with errno set. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n_bytes at offset; what lies beyond the end reads as zeros. */
bool file_read(int fd, uint64_t offset, void *dst, size_t n_bytes);
bool file_write(int fd, uint64_t offset, const void *src, size_t n_bytes);

/* The contents of a file, in memory for secrets. */
struct file_data {
    uint8_t *p; /* [n_bytes], and a NUL behind; NULL: nothing */
    size_t n_bytes;
};

/* All of an ordinary file of at most max_bytes, to be dropped; false after a message. */
bool file_load(const char *path, size_t max_bytes, struct file_data *out);
void file_drop(struct file_data *d);

/* Make the new file path of data [n_bytes]; true once file and folder entry will stay, and it reads as it was written.
 * Whatever has that name stays as it is: false after a message. */
bool file_create(const char *path, const void *data, size_t n_bytes);

/* Make the entry of path in its folder stay, or its absence. */
bool file_sync_folder(const char *path);

#endif
