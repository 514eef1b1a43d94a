/* The reduced-resolution decoder of ProRes for Python: buffers in, buffers out, other threads run meanwhile. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "picture.h"

static int take_planes(PyObject *planes, PyObject *line_sizes, Py_buffer *views, int *taken, ProresRequest *request)
{
    if (PySequence_Size(planes) != 3 || PySequence_Size(line_sizes) != 3) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "there are three planes and three line sizes");
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        PyObject *plane = PySequence_GetItem(planes, i), *line_size = PySequence_GetItem(line_sizes, i);
        Py_ssize_t step = line_size ? PyLong_AsSsize_t(line_size) : -1;
        int failed = !plane || !line_size || PyErr_Occurred() || PyObject_GetBuffer(plane, &views[i], PyBUF_WRITABLE) < 0;
        Py_XDECREF(plane);
        Py_XDECREF(line_size);
        if (failed)
            return 0;
        *taken = i + 1;
        Py_ssize_t width = (request->width + request->reduction - 1) / request->reduction;
        Py_ssize_t height = (request->height + request->reduction - 1) / request->reduction;
        if (i > 0) {
            width = (width + (1 << request->shift_x) - 1) >> request->shift_x;
            height = (height + (1 << request->shift_y) - 1) >> request->shift_y;
        }
        width *= request->bits > 8 ? 2 : 1;
        if (step < width || views[i].len < width || (height > 1 && (views[i].len - width) / (height - 1) < step)) {
            PyErr_Format(PyExc_ValueError, "plane %d of %zd bytes with %zd a line has no room for %zd lines of %zd bytes", i,
                         views[i].len, step, height, width);
            return 0;
        }
        request->planes[i] = views[i].buf;
        request->line_sizes[i] = step;
    }
    return 1;
}

static PyObject *decode(PyObject *module, PyObject *arguments)
{
    (void)module;
    ProresRequest request = { 0 };
    Py_buffer packet, views[3];
    PyObject *planes, *line_sizes, *result = NULL;
    int plain = 0, taken = 0, status;
    uint32_t slices = 0, bad = 0;
    if (!PyArg_ParseTuple(arguments, "y*IIIIIIOO|p:decode", &packet, &request.width, &request.height, &request.reduction,
                          &request.bits, &request.shift_x, &request.shift_y, &planes, &line_sizes, &plain))
        return NULL;
    request.data = packet.buf;
    request.size = (size_t)packet.len;
    if (request.width < 1 || request.width > 65535 || request.height < 1 || request.height > 65535 ||
        (request.reduction != 2 && request.reduction != 4 && request.reduction != 8) ||
        (request.bits != 8 && request.bits != 10 && request.bits != 12) || request.shift_x > 1 ||
        request.shift_y > request.shift_x)
        PyErr_SetString(PyExc_ValueError, "a size, reduction or pixel format is not offered");
    else if (take_planes(planes, line_sizes, views, &taken, &request)) {
        Py_BEGIN_ALLOW_THREADS
        status = prores_reduce(&request, &slices, &bad, plain);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("iII", status, slices, bad);
    }
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    PyBuffer_Release(&packet);
    return result;
}

static PyObject *instructions(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return PyUnicode_FromString(prores_instructions());
}

static PyMethodDef methods[] = {
    { "decode", decode, METH_VARARGS, "Decode one frame; returns (status, slices, bad slices)." },
    { "instructions", instructions, METH_NOARGS, "The instructions that are used here." },
    { NULL, NULL, 0, NULL },
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_multiple_interpreters
    { Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED },
#endif
    { 0, NULL },
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_reduced", "ProRes at a reduced size.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__reduced(void)
{
    return PyModuleDef_Init(&module);
}
