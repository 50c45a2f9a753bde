"""Where everything is kept: `memory` for tests and demonstrations, `sql` for everything else."""
