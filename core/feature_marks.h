/* feature_marks - where a numbered step begins, and which stops end no sentence.
 * SPDX-License-Identifier: MIT */
#ifndef FEATURE_MARKS_H
#define FEATURE_MARKS_H

#include "buf.h"

/* What begins a line as a step: "1.", "(2)", "3)", "1、", "２．", "①", "第一步", "Step 4", "Schritt 4", "Étape 4",
 * "Paso 4" ...: where it ends, or 0. */
size_t mark_step(struct span text, size_t at);

/* Is the stop at 'at', before a blank, one of "Dr. Who", "e.g. this", "at 5 p.m. today", "J. Smith"? */
bool mark_abbreviation(struct span text, size_t at);

#endif
