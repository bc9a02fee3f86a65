/* The terminal of the person at the standard input and the standard error. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>

/* From here on, what is typed is not shown; and as before. A signal that ends the program shows it again, too. MUST:
 * the standard input is a terminal. */
void terminal_hide(void);
void terminal_show(void);

/* Ask to type "yes". true also where the standard input is no terminal: there is nobody to ask. */
bool terminal_confirm(const char *question);

#endif
