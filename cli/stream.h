/* A disk or a journal as a conversion wants it, over a file descriptor: what it reads next is fetched ahead, and what
 * it wrote does not stay in the page cache, where it would drive out what other programs need. */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include "convert.h"

struct stream {
    int fd;
    uint64_t written, written_end; /* since the last flush */
};

/* Borrows s. */
struct convert_io stream_io(struct stream *s);

#endif
