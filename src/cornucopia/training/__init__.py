"""Recipe to trained adapter: plan, run, resume. Built on the Hugging Face Trainer and PEFT."""
