#include "measure.h"

struct measure measure;
