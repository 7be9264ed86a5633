/* Numbers as text, and back. */

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Writes decimal digits of a number of 32 bits, at least `least` of them; returns how many. */
static uint32_t write_uint32(uint8_t *into, uint32_t value, uint32_t least) {
    uint8_t digits[10];
    uint32_t count = 0;
    while (value || count < least) {
        digits[count++] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    for (uint32_t i = 0; i < count; i++) into[i] = digits[count - 1 - i];
    return count;
}

/* Writes decimal digits; returns how many. 20 bytes are enough. Divisions of 64 bits are slow, hence nine digits each. */
static uint32_t write_uint64(uint8_t *into, uint64_t value) {
    enum { NINE_DIGITS = 1000000000 };
    if (value <= UINT32_MAX) return write_uint32(into, (uint32_t)value, 1);
    uint32_t count = write_uint64(into, value / NINE_DIGITS);
    return count + write_uint32(into + count, (uint32_t)(value % NINE_DIGITS), 9);
}

static uint32_t write_int64(uint8_t *into, int64_t value) {
    if (value >= 0) return write_uint64(into, (uint64_t)value);
    *into = '-';
    return 1 + write_uint64(into + 1, 0 - (uint64_t)value);
}

typedef unsigned __int128 uint128;

static uint128 power_of_ten(int exponent) {
    uint128 power = 1;
    uint64_t ten = 10;
    for (; exponent > 19; exponent--) power *= 10;
    uint64_t rest = 1;
    for (; exponent > 0; exponent >>= 1, ten *= ten) {
        if (exponent & 1) rest *= ten;
    }
    return power * rest;
}

/* As shortest_digits, for numbers that are neither large nor small: with 128 bits everything is exact.
 *
 * The number is m * 2^e. Whatever lies between (2m - 1) * 2^(e - 1) and (2m + 1) * 2^(e - 1) reads back as it. Scaled so
 * that it has 17 digits before the point, digits are dropped from the end as long as a number that is left lies there. */
static bool moderate_digits(double value, char digits[20], int *count, int *point) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    uint64_t m = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int e = (int)(bits >> 52) - 1075;
    /* Below a power of two the numbers are closer to each other. */
    if (!(value >= 1e-4 && value < 1e17) || m == UINT64_C(1) << 52) return false;
    int scale = 16;
    if (value >= 1) {
        while (scale > 0 && value >= powers_of_ten[17 - scale]) scale--;
    } else {
        while (value * powers_of_ten[scale - 16] < 1) scale++;
    }
    int shift = 1 + (e < 0 ? -e : 0);
    uint128 power = power_of_ten(scale) << (e > 0 ? e : 0);
    uint128 low = (2 * m - 1) * power, exact = 2 * m * power, high = (2 * m + 1) * power;
    /* A bound itself reads back as the even one of its neighbours. */
    if (m % 2 == 0) low--, high++;
    /* Where two are as near, the even one is taken. */
    uint64_t whole = (uint64_t)(exact >> shift), found = whole, unit = 1;
    uint128 rest = (exact - ((uint128)whole << shift)) * 2, half = (uint128)1 << shift;
    found += rest > half || (rest == half && whole % 2);
    for (uint64_t next = 10; next <= UINT64_C(10000000000000000); next *= 10) {
        uint64_t quotient = whole / next, below = quotient * next;
        uint128 down = (uint128)below << shift, up = (uint128)(below + next) << shift;
        bool has_down = down > low, has_up = up < high;
        if (!has_down && !has_up) break;
        bool nearer_down = exact - down < up - exact || (exact - down == up - exact && quotient % 2 == 0);
        found = has_down && (!has_up || nearer_down) ? below : below + next;
        unit = next;
    }
    uint32_t size = write_uint64((uint8_t *)digits, found / unit);
    int dropped = 0;
    for (; unit > 1; unit /= 10) dropped++;
    *count = (int)size;
    *point = (int)size + dropped - scale;
    return true;
}

/* The shortest digits of a positive number that read back the same, and where the point is: 0.DIGITS * 10^point. */
static int shortest_digits(double value, char digits[20], int *count) {
    char text[40];
    int point;
    if (moderate_digits(value, digits, count, &point)) {
        while (*count > 1 && digits[*count - 1] == '0') *count -= 1;
        return point;
    }
    /* The smallest numbers have fewer digits than 15. */
    for (int precision = value < 2.3e-308 ? 1 : 15;; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision - 1, value);
        if (precision == 17 || strtod(text, NULL) == value) break;
    }
    int exponent = atoi(strchr(text, 'e') + 1);
    *count = 0;
    for (const char *at = text; *at != 'e'; at++) {
        if (*at != '.') digits[(*count)++] = *at;
    }
    while (*count > 1 && digits[*count - 1] == '0') *count -= 1;
    return exponent + 1;
}

/* Writes a number whose parts before and behind the point have so few bits that 64 are enough: most numbers do. Returns
 * how many bytes that are; 0: it is none of them.
 *
 * The number is 2m / 2^shift, and whatever is less than 1 / 2^shift away from it reads back as it. (Not so below a power
 * of two, where numbers are closer to each other; but these have few digits, and no shorter form.) Digits behind the point
 * are written until one of their neighbours is as near as that: Steele and White, How to print floating-point numbers
 * accurately, 1990. */
static uint32_t write_usual(uint8_t *into, double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    uint64_t m = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    if (!(value >= 1.0 / 128 && value < 9007199254740992.0)) return 0;
    int shift = 1076 - (int)(bits >> 52);
    uint64_t one = UINT64_C(1) << shift, rest = 2 * m & (one - 1), near = 1;
    uint8_t *at = into + write_uint64(into, 2 * m >> shift);
    *at++ = '.';
    /* A bound itself reads back as the even one of its neighbours. */
    uint64_t at_bound = m % 2 == 0;
    bool is_down, is_up;
    do {
        rest *= 10;
        near *= 10;
        uint64_t digit = rest >> shift;
        rest &= one - 1;
        is_down = rest < near + at_bound;
        is_up = rest + near + at_bound > one;
        /* Where both are as near, the even one is taken. */
        digit += is_up && (!is_down || 2 * rest > one || (2 * rest == one && digit % 2));
        *at++ = (uint8_t)('0' + digit);
    } while (!is_down && !is_up);
    return (uint32_t)(at - into);
}

/* Writes a finite number, 32 bytes at most; returns how many. */
static uint32_t write_float64(uint8_t *into, double value) {
    uint8_t *at = into;
    if (signbit(value)) {
        *at++ = '-';
        value = -value;
    }
    uint32_t usual = write_usual(at, value);
    if (usual) return (uint32_t)(at - into) + usual;
    /* Most of the others are zero, or decimals of a few digits. One whose digits, up to 15 of them, divided by a power of ten give it
     * back exactly has no other form that is as short. */
    enum { PLACES = 6, UNIT = 1000000 };
    if (value == 0 || (value >= 1e-4 && value < 1)) {
        uint64_t scaled = (uint64_t)(value * UNIT + 0.5);
        if ((double)scaled / UNIT == value) {
            at += write_uint64(at, scaled / UNIT);
            *at++ = '.';
            uint32_t fraction = (uint32_t)(scaled % UNIT), places = PLACES;
            while (places > 1 && fraction % 10 == 0) fraction /= 10, places--;
            return (uint32_t)(at + write_uint32(at, fraction, places) - into);
        }
    }
    char digits[20];
    int count, point = shortest_digits(value, digits, &count);
    if (point > 16 || point <= -5) {
        *at++ = (uint8_t)digits[0];
        if (count > 1) *at++ = '.';
        memcpy(at, digits + 1, (size_t)count - 1);
        at += count - 1;
        at += snprintf((char *)at, 8, "e%+03d", point - 1);
    } else if (point <= 0) {
        memcpy(at, "0.", 2);
        memset(at + 2, '0', (size_t)-point);
        memcpy(at + 2 - point, digits, (size_t)count);
        at += 2 - point + count;
    } else {
        for (int i = 0; i < point; i++) *at++ = (uint8_t)(i < count ? digits[i] : '0');
        *at++ = '.';
        if (count <= point) *at++ = '0';
        for (int i = point; i < count; i++) *at++ = (uint8_t)digits[i];
    }
    return (uint32_t)(at - into);
}

static bool is_digit(uint8_t character) { return character >= '0' && character <= '9'; }

/* Reads an integer that is all of the text, as JSON writes it. False: it is none, or does not fit. */
static bool read_int64(ms_bytes text, int64_t *value) {
    const uint8_t *at = text.data, *end = at + text.size;
    bool negative = at < end && *at == '-';
    if (negative) at++;
    uint32_t digits = (uint32_t)(end - at);
    if (digits == 0 || digits > 19 || (*at == '0' && digits > 1)) return false;
    uint64_t sum = 0;
    for (; at < end; at++) {
        if (!is_digit(*at)) return false;
        sum = sum * 10 + (*at - '0');
    }
    if (sum > (uint64_t)INT64_MAX + negative) return false;
    *value = (int64_t)(negative ? 0 - sum : sum);
    return true;
}

/* Reads a JSON number of up to 15 digits without an exponent, which one division gives exactly. False: it is another one,
 * or none. */
static bool read_decimal(ms_bytes text, double *value) {
    const uint8_t *at = text.data, *end = at + text.size;
    bool negative = at < end && *at == '-';
    const uint8_t *first = at += negative, *point = end;
    uint64_t digits = 0;
    for (; at < end && is_digit(*at); at++) digits = digits * 10 + (*at - '0');
    bool is_one = at > first && (*first != '0' || at - first == 1);
    if (at < end && *at == '.') {
        point = ++at;
        for (; at < end && is_digit(*at); at++) digits = digits * 10 + (*at - '0');
        is_one = is_one && at > point;
    }
    /* Of so many characters no digit is lost. */
    if (!is_one || at != end || end - first > 18 || digits > UINT64_C(999999999999999)) return false;
    *value = (double)digits / powers_of_ten[end - point];
    if (negative) *value = -*value;
    return true;
}

/* Reads a JSON number, known to be one. */
static double read_float64(ms_bytes text) {
    double value;
    if (read_decimal(text, &value)) return value;
    char near[64], *copy = text.size < sizeof(near) ? near : arena_take((size_t)text.size + 1);
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return strtod(copy, NULL);
}
