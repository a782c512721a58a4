# Every target is one call of setup_env.py, so that `python3 setup_env.py demo` does the same where there is no make.
# Arguments for the target: make demo ARGS="--kimg 10"; another interpreter: make test PYTHON=python3.12
PYTHON ?= python3
ARGS ?=

.PHONY: demo test env lint slow docs clean
demo test env lint slow docs clean:
	@$(PYTHON) setup_env.py $@ $(ARGS)
