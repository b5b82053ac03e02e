"""TestState: one state, run or mocked, with what each step of its data flow made."""
