// select-all
