#ifndef ONEFOLD_CTOML_H
#define ONEFOLD_CTOML_H
#endif
