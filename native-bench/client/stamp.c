#include "stamp.h"

static const uint8_t digit_values[256] = {
    ['0'] = 0 | 0x40, ['1'] = 1 | 0x40, ['2'] = 2 | 0x40, ['3'] = 3 | 0x40, ['4'] = 4 | 0x40, ['5'] = 5 | 0x40,
    ['6'] = 6 | 0x40, ['7'] = 7 | 0x40, ['8'] = 8 | 0x40, ['9'] = 9 | 0x40, ['a'] = 10 | 0x40, ['b'] = 11 | 0x40,
    ['c'] = 12 | 0x40, ['d'] = 13 | 0x40, ['e'] = 14 | 0x40, ['f'] = 15 | 0x40,
};

void stamp_write(char *out, uint64_t ns)
{
    for (int i = STAMP_BYTES - 1; i >= 0; i--) {
        out[i] = "0123456789abcdef"[ns & 15];
        ns >>= 4;
    }
}

bool stamp_read(const char *text, size_t length, uint64_t *ns)
{
    if (length < STAMP_BYTES)
        return false;
    uint64_t value = 0;
    uint8_t all = 0x40;
    for (int i = 0; i < STAMP_BYTES; i++) {
        uint8_t digit = digit_values[(uint8_t)text[i]];
        all &= digit;
        value = value << 4 | (digit & 15);
    }
    *ns = value;
    return all == 0x40;
}
