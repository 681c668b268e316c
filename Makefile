# Short names for dev.py, which does the work: make demo, make test, make check ...
.PHONY: demo test check lock translate bench clean
demo test check lock translate bench clean:
	python3 dev.py $@
