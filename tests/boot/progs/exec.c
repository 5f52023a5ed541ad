#include "tap.h"
TEST(x){}
