@echo off
rem Takes away what install.bat has put there, and nothing else. Run it as administrator.
setlocal
set "common=%CommonProgramW6432%"
if not defined common set "common=%CommonProgramFiles%"

if exist "%common%\CLAP\Tocco.clap" del /q "%common%\CLAP\Tocco.clap"
if exist "%common%\VST3\Tocco.vst3" rmdir /s /q "%common%\VST3\Tocco.vst3"
if exist "%common%\CLAP\Tocco.clap" goto refused
if exist "%common%\VST3\Tocco.vst3" goto refused

echo Tocco is gone from "%common%".
if not "%1"=="/quiet" pause
exit /b 0

:refused
echo Tocco could not be removed from "%common%".
echo Close your DAW, then right-click this file and choose "Run as administrator".
if not "%1"=="/quiet" pause
exit /b 1
