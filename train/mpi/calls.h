// Each returns the code of the MPI call that it is named for: 0 is success.

#include <stdint.h>

enum { s4_float32s, s4_float64s };

int s4_init(const char **call, int *serialized, int *rank, int *size);
int s4_begin_heads(int64_t method, int64_t n);
int s4_test_heads(int *done, int64_t *heads);
int s4_allreduce(void *v, int n, int type);
int s4_allgatherv(const void *send, int n, void *receive, const int *counts, const int *offsets);
int s4_bcast(void *v, int n);
int s4_alltoall(const void *send, void *receive, int n);
int s4_finalize(void);
void s4_abort(int code);
void s4_text(int code, char *text, int room);
