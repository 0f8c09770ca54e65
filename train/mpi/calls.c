//go:build mpi && cgo

#include "calls.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A duplicate of the world, so that nobody else's messages meet ours.
static MPI_Comm work;

// The heads of a call that is about to be made, this rank's and those of all.
// They are C's, because MPI keeps them until the request is done.
static int64_t mine[2], *all;
static int all_size;
static MPI_Request heads;

// After it call names the MPI function that failed, or was last called, and
// serialized says whether the library lets any one thread call.
int s4_init(const char **call, int *serialized, int *rank, int *size) {
  int code, provided;
#define TRY(name, arguments) \
  if (*call = #name, (code = name arguments) != MPI_SUCCESS) return code
  TRY(MPI_Init_thread, (NULL, NULL, MPI_THREAD_SERIALIZED, &provided));
  *serialized = provided >= MPI_THREAD_SERIALIZED;
  TRY(MPI_Comm_set_errhandler, (MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  TRY(MPI_Comm_dup, (MPI_COMM_WORLD, &work));
  TRY(MPI_Comm_rank, (work, rank));
  TRY(MPI_Comm_size, (work, size));
#undef TRY
  *call = "malloc of the heads";
  all_size = *size * (int)sizeof mine;
  return (all = malloc(all_size)) ? MPI_SUCCESS : MPI_ERR_NO_MEM;
}

int s4_begin_heads(int64_t method, int64_t n) {
  mine[0] = method, mine[1] = n;
  return MPI_Iallgather(mine, 2, MPI_INT64_T, all, 2, MPI_INT64_T, work, &heads);
}

int s4_test_heads(int *done, int64_t *to) {
  int code = MPI_Test(&heads, done, MPI_STATUS_IGNORE);
  if (code == MPI_SUCCESS && *done)
    memcpy(to, all, all_size);
  return code;
}

int s4_allreduce(void *v, int n, int type) {
  return MPI_Allreduce(MPI_IN_PLACE, v, n, type == s4_float32s ? MPI_FLOAT : MPI_DOUBLE, MPI_SUM, work);
}

int s4_allgatherv(const void *send, int n, void *receive, const int *counts, const int *offsets) {
  return MPI_Allgatherv(send, n, MPI_BYTE, receive, counts, offsets, MPI_BYTE, work);
}

int s4_bcast(void *v, int n) { return MPI_Bcast(v, n, MPI_BYTE, 0, work); }

int s4_alltoall(const void *send, void *receive, int n) {
  return MPI_Alltoall(send, n, MPI_BYTE, receive, n, MPI_BYTE, work);
}

int s4_finalize(void) { return MPI_Finalize(); }

void s4_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

void s4_text(int code, char *text, int room) {
  char whole[MPI_MAX_ERROR_STRING + 1] = "";
  int n = 0;
  if (MPI_Error_string(code, whole, &n) != MPI_SUCCESS || n == 0)
    snprintf(whole, sizeof whole, "error %d", code);
  snprintf(text, room, "%s", whole);
}
