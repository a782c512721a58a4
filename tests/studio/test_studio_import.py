"""The studio's logic does without gradio."""

import subprocess
import sys


def test_the_session_imports_without_gradio():
    code = "import sys; sys.modules['gradio'] = None; import twoway.studio.session; print('gradio' in str(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
